// Turns the photo path of an X-Accel-Redirect into a permission URL, which is what a node wants.
// `edge` is keys.json, as in permission.js.

// The permission URL, or '' if it is no photo path. Sets what permission.js sets; who may keep the
// answer is for the application to say, and if it does not, nobody but the client may.
function sign(r) {
    const path = r.variables.uri.slice('/-/reproxy/'.length);
    const parts = path.split('.');
    const stem = parts[0].slice(0, -2), size_class = edge.size_classes[parts[0].slice(-1)];
    if (parts.length !== 2 || size_class === undefined) {
        return '';
    }
    // The oldest key that verifies: every node has it.
    const key_id = Object.keys(edge.read_keys)[0];
    const mac = require('crypto').createHmac('sha256', Buffer.from(edge.read_keys[key_id], 'hex'))
        .update('0/' + stem + '/' + size_class).digest('base64url').slice(0, 24);
    const url = '/' + [parts[0], key_id, '0', mac, parts[1]].join('.');
    if (url.search(/^\/(([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])\/([0-9a-hjkmnp-tv-z]{2})\/([0-9a-hjkmnp-tv-z]{14}\3)_[0-9a-hjkmnp-tv-z]{6})_([a-z])\.([a-z0-9]{1,4})\.((?:0|[1-9a-f][0-9a-f]{0,9}))\.([A-Za-z0-9_-]{24})\.(jpg|png|gif|webp|avif|heic|tif)$(?!\n)/) !== 0) {
        return '';
    }
    r.variables.photo_path = path;
    r.variables.photo_volume = stem.slice(0, stem.indexOf('/'));
    r.variables.photo_cache_control = 'private';
    return url;
}

export default {sign};
