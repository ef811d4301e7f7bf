// Judges a request target by the permission in it, before anything else looks at it.
//
// nginx starts a new machine for every request and runs the top level of this file in it, so there
// is nothing at the top level, and whatever is used for the first time is paid for every time. What
// costs how much was measured, and is told in docs/edge.md.
//
// `edge` is keys.json, loaded once when nginx starts: the read keys and the class of each size.

// 'permitted', 'malformed' (400) or 'forbidden' (403). Only if permitted, $photo_path, $photo_volume
// and, where the permission ends one day, $photo_cache_control are set.
function verdict(r) {
    const variables = r.variables;
    // The raw bytes as the client sent them: undecoded, and nothing normalised.
    const target = variables.request_uri;
    // 1 stem, 2 volume, 3 shard, 4 photo, 5 size, 6 key, 7 expiry, 8 MAC, 9 ext
    const part = /^\/(([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])\/([0-9a-hjkmnp-tv-z]{2})\/([0-9a-hjkmnp-tv-z]{14}\3)_[0-9a-hjkmnp-tv-z]{6})_([a-z])\.([a-z0-9]{1,4})\.((?:0|[1-9a-f][0-9a-f]{0,9}))\.([A-Za-z0-9_-]{24})\.(jpg|png|gif|webp|avif|heic|tif)$(?!\n)/.exec(target);
    if (part === null) {
        return target.search(/^(?!\/)|[%;?]|\/[\/.]|[^\x00-\x7f]|^[\s\S]{513}/) === -1 ? 'forbidden' : 'malformed';
    }
    const read_key = edge.read_keys[part[6]], size_class = edge.size_classes[part[5]];
    if (read_key === undefined || size_class === undefined) {
        return 'forbidden';
    }
    const made = require('crypto').createHmac('sha256', Buffer.from(read_key, 'hex'))
        .update(part[7] + '/' + part[1] + '/' + size_class).digest();
    // The 18 bytes of a MAC as three numbers, all compared whatever the first ones say. Texts would
    // be compared up to the first difference, which a patient client could measure.
    const sent = Buffer.from(part[8], 'base64url');
    if ((made.readUIntBE(0, 6) !== sent.readUIntBE(0, 6))
        | (made.readUIntBE(6, 6) !== sent.readUIntBE(6, 6))
        | (made.readUIntBE(12, 6) !== sent.readUIntBE(12, 6))) {
        return 'forbidden';
    }
    if (part[7] !== '0') {
        const left_seconds = ('0x' + part[7]) - variables.msec;
        if (left_seconds <= 0) {
            return 'forbidden';
        }
        variables.photo_cache_control =
            'public, max-age=' + (left_seconds > 31536000 ? 31536000 : left_seconds | 0);
    }
    variables.photo_path = part[1] + '_' + part[5] + '.' + part[9];
    variables.photo_volume = part[2];
    return 'permitted';
}

export default {verdict};
