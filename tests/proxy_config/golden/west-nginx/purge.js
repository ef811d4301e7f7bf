// Purges photos by unlinking their files in the cache. nginx misses a file it cannot open, and then
// fetches and stores it anew, so this is safe at any time, in any worker, and as often as one likes.

import crypto from 'crypto';
import fs from 'fs';

const CACHE_DIR = '/srv/cache';
const PATHS_MAX = 100;

// POST, with photo paths one on a line: {"purged": how many were there, "absent": how many not}.
function answer(r) {
    if (r.method !== 'POST') {
        r.headersOut['Allow'] = 'POST';
        r.return(405, 'method not allowed\n');
        return;
    }
    const paths = (r.requestText || '').split('\n').filter((line) => line !== '');
    if (paths.length === 0 || paths.length > PATHS_MAX || !paths.every(is_photo_path)) {
        r.return(400, 'bad request\n');
        return;
    }
    const purged = paths.filter(purge).length;
    r.headersOut['Content-Type'] = 'application/json';
    r.return(200, JSON.stringify({purged: purged, absent: paths.length - purged}) + '\n');
}

// A photo path is what becomes a permission URL with any permission.
function is_photo_path(path) {
    const parts = path.split('.');
    const url = '/' + parts[0] + '.a.0.' + 'A'.repeat(24) + '.' + parts[1];
    return parts.length === 2 && url.search(/^\/(([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])\/([0-9a-hjkmnp-tv-z]{2})\/([0-9a-hjkmnp-tv-z]{14}\3)_[0-9a-hjkmnp-tv-z]{6})_([a-z])\.([a-z0-9]{1,4})\.((?:0|[1-9a-f][0-9a-f]{0,9}))\.([A-Za-z0-9_-]{24})\.(jpg|png|gif|webp|avif|heic|tif)$(?!\n)/) === 0;
}

// Forgets every copy of a photo: the one of URLs that end, and the one of each URL without an end.
function purge(path) {
    return cache_keys(path).map(unlink).some((was_there) => was_there);
}

function cache_keys(path) {
    const parts = path.split('.');
    const signed = '0/' + parts[0].slice(0, -2) + '/' + edge.size_classes[parts[0].slice(-1)];
    const urls = Object.keys(edge.read_keys).map((key_id) => {
        const mac = crypto.createHmac('sha256', Buffer.from(edge.read_keys[key_id], 'hex'))
            .update(signed).digest('base64url').slice(0, 24);
        return '/' + [parts[0], key_id, '0', mac, parts[1]].join('.');
    });
    return urls.concat(path);
}

function unlink(key) {
    try {
        fs.unlinkSync(cache_file(key));
        return true;
    } catch (e) {
        if (e.code !== 'ENOENT') {
            throw e;
        }
        return false;
    }
}

// Where nginx keeps what has this cache key, with levels=1:2.
function cache_file(key) {
    const name = crypto.createHash('md5').update(key).digest('hex');
    return [CACHE_DIR, name.slice(-1), name.slice(-3, -1), name].join('/');
}

export default {answer};
