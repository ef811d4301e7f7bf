# The Varnish edge east-varnish in colo east, rendered from the cluster config. Do not edit.
#
# Steps of a request: method and body, form of the URL, permission, nodes of this colo, nodes of other
# colos. The cache key is the photo path, so that all URLs of a photo share one object. Every request
# is checked for its permission, on its raw bytes, before anything is sent or fetched. An object
# stores the URL that fetched it. A request with the same bytes needs no new check of the MAC.
#
# The nodes and volumes are in routes.vcl. The read keys are in keys.vcl, which must have mode 0600.
#
# VCL has no variables. Headers that begin with "Photo-" carry values between the subroutines of this
# file. vcl_recv first removes the client's headers with these names.

vcl 4.1;

import blob;
import digest;
import std;

# Defines one object per read key: key_a.encode(IDENTITY) is the key with the id "a".
include "./keys.vcl";

# Nodes and volumes of the map: choose_node selects the node of each try.
include "./routes.vcl";

sub vcl_backend_fetch {
    if (bereq.http.Photo-Session) {
        return (error(200));
    }
    unset bereq.http.Cookie;
    unset bereq.http.Authorization;
    unset bereq.http.X-Forwarded-For;
    unset bereq.http.Via;
    set bereq.http.Host = "glassplate";
    call find_nodes;
    # The first tries are of nodes that answer their probes. If they fail, as many tries are of all.
    if (bereq.retries == 0 || bereq.retries == std.integer(bereq.http.Photo-Nodes, 1)) {
        unset bereq.http.Photo-Unknown;
    }
    call choose_node;
    unset bereq.http.Photo-Class;
    unset bereq.http.Photo-Unchecked;
    # Always fetch the whole photo; vcl_deliver cuts the range for the client.
    unset bereq.http.Range;
    if (bereq.uncacheable) {
        unset bereq.http.If-None-Match;
        unset bereq.http.If-Modified-Since;
        unset bereq.http.If-Match;
        unset bereq.http.If-Unmodified-Since;
        unset bereq.http.If-Range;
    }
    return (fetch);
}

sub vcl_backend_response {
    if (beresp.status != 200 && beresp.status != 304) {
        if (beresp.status >= 500) {
            set bereq.http.Photo-Unknown = "1";
        }
        # After a 404 or an error, for example for corrupt bytes, try the next node, until every node
        # has returned 404.
        if ((beresp.status == 404 || beresp.status >= 500)
            && bereq.retries < 2 * std.integer(bereq.http.Photo-Nodes, 1) - 1
            && (bereq.http.Photo-Unknown || bereq.retries + 1 != std.integer(bereq.http.Photo-Nodes, 1))) {
            return (retry);
        }
        # Only a tombstone deletes: the cached copy stays although the nodes do not have the photo.
        if (beresp.status == 404 && bereq.is_bgfetch) {
            return (abandon);
        }
        # A 404 from one node is not conclusive while another node has not responded.
        if (beresp.status == 404 && bereq.http.Photo-Unknown) {
            return (error(502));
        }
        return (error(beresp.status));
    }
    unset beresp.http.Server;
    unset beresp.http.Set-Cookie;
    unset beresp.http.Vary;
    unset beresp.http.Expires;
    unset beresp.http.Age;
    # The node's value belongs to the permission that fetched the photo; vcl_deliver sets the client's.
    unset beresp.http.Cache-Control;
    # The URL of a fetch is always checked. vcl_hit does not check the MAC of the same URL again.
    set beresp.http.Photo-Opened = "011534d402e0ed50" + bereq.url;
    unset beresp.http.Photo-Until;
    if (bereq.http.Photo-Expiry) {
        set beresp.http.Photo-Until = bereq.http.Photo-Expiry;
    }
    # Files never change. Revalidation only repairs a purge that did not arrive. Until then, and
    # while no node responds, the cached copy is served.
    set beresp.ttl = 86400s;
    set beresp.grace = 30d;
    set beresp.keep = 0s;
    if (std.integer(beresp.http.Content-Length, 0) > 536870912) {
        # Too large for the cache: pass it through.
        set beresp.uncacheable = true;
        set beresp.ttl = 120s;
    }
    return (deliver);
}

sub vcl_backend_error {
    if (bereq.http.Photo-Session) {
        set beresp.body = bereq.http.Photo-Session;
        set beresp.ttl = 3650d;
        set beresp.grace = 0s;
        set beresp.keep = 0s;
        return (deliver);
    }
    if (beresp.status >= 500) {
        set bereq.http.Photo-Unknown = "1";
        if (bereq.retries < 2 * std.integer(bereq.http.Photo-Nodes, 1) - 1) {
            return (retry);
        }
        # The cached copy is better than an error.
        if (bereq.is_bgfetch) {
            return (abandon);
        }
        set beresp.status = 502;
        if (std.integer(bereq.http.Photo-Nodes, 1) == 0) {
            set beresp.status = 503;
        }
    }
    unset beresp.http.Server;
    unset beresp.http.Retry-After;
    set beresp.http.Content-Type = "text/plain; charset=utf-8";
    set beresp.ttl = 0s;
    set beresp.grace = 0s;
    set beresp.keep = 0s;
    if (beresp.status == 404) {
        set beresp.ttl = 1s;
        set beresp.body = "not found" + {"
"};
    } else if (beresp.status == 410) {
        set beresp.ttl = 10s;
        set beresp.body = "gone" + {"
"};
    } else if (beresp.status == 403) {
        set beresp.ttl = 0s;
        set beresp.body = "forbidden" + {"
"};
    } else if (beresp.status == 503) {
        set beresp.ttl = 0s;
        set beresp.body = "unavailable" + {"
"};
    } else {
        set beresp.status = 502;
        set beresp.body = "bad gateway" + {"
"};
    }
    return (deliver);
}

# --- Clients.

# Storagemasters purge on a separate address: PURGE /{photo path}
acl purgers {
    "10.1.0.9"/32;
    "fd00:2::9"/128;
}

sub vcl_recv {
    unset req.http.Photo-Expiry;
    unset req.http.Photo-Class;
    unset req.http.Photo-Unchecked;
    unset req.http.Photo-First;
    unset req.http.Photo-Last;
    unset req.http.Photo-Bytes;
    unset req.http.Photo-Session;

    if (local.socket == "purge") {
        # A browser that can reach this port sends what a page of any site tells it to.
        if (client.ip !~ purgers || req.http.Origin) {
            return (synth(403));
        }
        if (req.url == "/healthz") {
            return (synth(200));
        }
        if (req.url == "/drop" && req.method == "POST") {
            # The marks of storagemasters have no Photo-Opened, and stay.
            if (!std.ban("obj.http.Photo-Opened ~ .")) {
                return (synth(503));
            }
            return (synth(200));
        }
        if (req.url ~ "^/sessions/") {
            call read_or_write_mark;
        }
        if (req.method != "PURGE") {
            return (synth(405));
        }
        return (purge);
    }

    # nginx edges send the id that they made. Nothing of it but its form is from the client.
    if (req.http.X-Request-Id !~ "^[0-9a-f]{32}$") {
        set req.http.X-Request-Id = regsub(digest.hash_md5(now + req.xid + server.identity), "^0x", "");
    }

    # An absolute URI is equivalent to its path.
    set req.url = regsub(req.url, "^(?i)https?://[^/]*/", "/");
    if ((req.proto == "HTTP/1.1" && !req.http.Host) || req.method !~ "^[A-Z_-]+$"
        || req.url !~ "^/") {
        return (synth(400));
    }
    if (req.method == "GET" || req.method == "HEAD" || req.method == "OPTIONS") {
        if (req.http.Transfer-Encoding || (req.http.Content-Length && req.http.Content-Length != "0")) {
            return (synth(400));
        }
    } else {
        return (synth(405));
    }
    if (req.method == "OPTIONS") {
        return (synth(204));
    }
    if (req.url == "/healthz" || req.url == "/") {
        return (synth(200));
    }
    call check_form;
    return (hash);
}

# A mark of a storagemaster is an object of the cache, and is lost with it.
sub read_or_write_mark {
    if (req.method == "PUT" && req.url ~ "^/sessions/[a-z][a-z0-9-]*/[a-z0-9]+$") {
        set req.http.Photo-Session = regsub(req.url, "^.*/", "");
        set req.url = regsub(req.url, "/[^/]+$", "");
        set req.method = "GET";
        set req.hash_always_miss = true;
        return (hash);
    }
    if (req.method == "GET" && req.url ~ "^/sessions/[a-z][a-z0-9-]*$") {
        return (hash);
    }
    return (synth(404));
}

# Reject a URL that does not have the form of a permission URL.
sub check_form {
    if (req.url !~ "^/(([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])/([0-9a-hjkmnp-tv-z]{2})/([0-9a-hjkmnp-tv-z]{14}\3)_[0-9a-hjkmnp-tv-z]{6})_([a-z])\.([a-z0-9]{1,4}(?:-(?=[wlo1-9])(?:w[lo]?|lo?|o)?(?:[1-9][0-9]{0,3})?)?)\.((?:0|[1-9a-f][0-9a-f]{0,9}))\.([A-Za-z0-9_-]{24})\.(jpg|png|gif|webp|avif|heic|tif)$(?!\n)") {
        if (req.url ~ "^(?!/)|[%;?]|/[/.]|[^\x00-\x7f]|^[\s\S]{513}") {
            return (synth(400));
        }
        return (synth(403));
    }
    # From here on the URL is: stem _ size . key . expiry . MAC . ext, without other dots.
}

# The key is the photo path, for all URLs of a photo and for its purge. Varnish also calls this for
# rejected requests. Each part of the expression ends at the first dot, so that it stays fast.
sub vcl_hash {
    hash_data(regsub(req.url, "^(/[^.]+)\.[^.]+\.[^.]+\.[^.]+(\.[^.]+)$", "\1\2"));
    return (lookup);
}

# The URL that fetched an object was checked then. An equal fingerprint shows that keys and sizes are
# the same as now. Only its expiry must be checked again.
sub vcl_hit {
    if (obj.http.Photo-Opened != "011534d402e0ed50" + req.url) {
        if (local.socket == "purge") {
            return (deliver);
        }
        call check_permission;
    } else {
        if (obj.http.Photo-Until) {
            set req.http.Photo-Expiry = obj.http.Photo-Until;
            call refuse_if_over;
        }
        call log_photo;
    }
    if (req.http.Photo-Unchecked) {
        return (pass);
    }
    return (deliver);
}

sub vcl_miss {
    if (local.socket == "purge") {
        if (req.http.Photo-Session) {
            return (fetch);
        }
        return (synth(404));
    }
    call check_permission;
    if (req.http.Photo-Unchecked) {
        return (pass);
    }
    return (fetch);
}

# Only requests that the nodes must check are passed.
sub vcl_pass {
    if (!req.http.Photo-Unchecked) {
        return (synth(403));
    }
    return (fetch);
}

# Return only if the permission is valid. Varnish logs every header that is set,
# so there are few of them, and none contains the correct MAC.
sub check_permission {
    if (req.url ~ "^[^.]+_[sqtmnwdzcb]\.") {
        set req.http.Photo-Class = "web";
        if (req.url ~ "^[^.]+\.[^.-]+-[wlo]" && req.url !~ "^[^.]+\.[^.-]+-[wlo]*w") {
            return (synth(403));
        }
    } else if (req.url ~ "^[^.]+_[hkx]\.") {
        set req.http.Photo-Class = "large";
        if (req.url ~ "^[^.]+\.[^.-]+-[wlo]" && req.url !~ "^[^.]+\.[^.-]+-[wlo]*l") {
            return (synth(403));
        }
    } else if (req.url ~ "^[^.]+_[o]\.") {
        set req.http.Photo-Class = "original";
        if (req.url ~ "^[^.]+\.[^.-]+-[wlo]" && req.url !~ "^[^.]+\.[^.-]+-[wlo]*o") {
            return (synth(403));
        }
    } else {
        return (synth(403));
    }

    # The MAC is 18 bytes of the HMAC of {expiry}/{stem}/{class}. The comparison takes many bytes at a
    # time. Its duration reveals nothing unless the first eight bytes are already correct.
    # A restricted key is such a MAC of its restriction, as text.
    if (req.url ~ "^[^.]+\.a[.-]") {
        if (req.url !~ "^[^.]+\.[^.]+-") {
            if (!blob.equal(
                blob.decode(HEX, 36, regsub(digest.hmac_sha256(key_a.encode(IDENTITY),
                    regsub(req.url, "^/([^.]+)_.\.[^.]+\.([^.]+).*$", "\2/\1/") + req.http.Photo-Class),
                    "^0x", "")),
                blob.decode(BASE64URLNOPAD, 0, regsub(req.url, "^.*\.([^.]+)\.[^.]+$", "\1")))) {
                return (synth(403));
            }
        } else {
            if (!blob.equal(
                blob.decode(HEX, 36, regsub(digest.hmac_sha256(blob.transcode(HEX, BASE64URLNOPAD, DEFAULT, 36, regsub(
                digest.hmac_sha256(key_a.encode(IDENTITY),
                    regsub(req.url, "^[^.]+\.[^.-]+-([^.]+).*$", "\1")), "^0x", "")),
                    regsub(req.url, "^/([^.]+)_.\.[^.]+\.([^.]+).*$", "\2/\1/") + req.http.Photo-Class),
                    "^0x", "")),
                blob.decode(BASE64URLNOPAD, 0, regsub(req.url, "^.*\.([^.]+)\.[^.]+$", "\1")))) {
                return (synth(403));
            }
        }
    } else if (req.url ~ "^[^.]+\.b2[.-]") {
        if (req.url !~ "^[^.]+\.[^.]+-") {
            if (!blob.equal(
                blob.decode(HEX, 36, regsub(digest.hmac_sha256(key_b2.encode(IDENTITY),
                    regsub(req.url, "^/([^.]+)_.\.[^.]+\.([^.]+).*$", "\2/\1/") + req.http.Photo-Class),
                    "^0x", "")),
                blob.decode(BASE64URLNOPAD, 0, regsub(req.url, "^.*\.([^.]+)\.[^.]+$", "\1")))) {
                return (synth(403));
            }
        } else {
            if (!blob.equal(
                blob.decode(HEX, 36, regsub(digest.hmac_sha256(blob.transcode(HEX, BASE64URLNOPAD, DEFAULT, 36, regsub(
                digest.hmac_sha256(key_b2.encode(IDENTITY),
                    regsub(req.url, "^[^.]+\.[^.-]+-([^.]+).*$", "\1")), "^0x", "")),
                    regsub(req.url, "^/([^.]+)_.\.[^.]+\.([^.]+).*$", "\2/\1/") + req.http.Photo-Class),
                    "^0x", "")),
                blob.decode(BASE64URLNOPAD, 0, regsub(req.url, "^.*\.([^.]+)\.[^.]+$", "\1")))) {
                return (synth(403));
            }
        }
    } else {
        return (synth(403));
    }

    if (req.url !~ "^[^.]+\.[^.]+\.0\.") {
        call read_expiry;
        call refuse_if_over;
    }
    # The time that is left only gets shorter, so an object that was opened needs no other look at it.
    if (req.url ~ "^[^.]+\.[^.-]+-[wlo]*[1-9]" && (!req.http.Photo-Expiry
            || std.time(integer=std.integer(req.http.Photo-Expiry)) > now + 600s
                + std.duration(regsub(req.url, "^[^.]+\.[^.-]+-[wlo]*([0-9]+).*$", "\1h"), 0s))) {
        return (synth(403));
    }
    call log_photo;
}

sub refuse_if_over {
    if (now >= std.time(integer=std.integer(req.http.Photo-Expiry))) {
        return (synth(403));
    }
}

# For access logs, instead of the URL: varnishncsa -F "%{VCL_Log:photo}x".
sub log_photo {
    std.log("photo:" + regsub(req.url, "^/([^.]+).*(\.[^.]+)$", "\1\2"));
}

# Convert the expiry to decimal, digit by digit. The value of a hex digit is the length of the part
# of "0123456789abcdef" before it.
sub read_expiry {
    set req.http.Photo-Expiry = regsub(
        "0000000000" + regsub(req.url, "^[^.]+\.[^.]+\.([^.]+).*$", "\1"), "^.*(.{10})$", "\1");
    set req.http.Photo-Expiry = 0
        + 68719476736 * (16 - blob.length(blob.decode(IDENTITY, encoded=std.strstr(
            "0123456789abcdef", regsub(req.http.Photo-Expiry, "^.{0}(.).*$", "\1")))))        + 4294967296 * (16 - blob.length(blob.decode(IDENTITY, encoded=std.strstr(
            "0123456789abcdef", regsub(req.http.Photo-Expiry, "^.{1}(.).*$", "\1")))))        + 268435456 * (16 - blob.length(blob.decode(IDENTITY, encoded=std.strstr(
            "0123456789abcdef", regsub(req.http.Photo-Expiry, "^.{2}(.).*$", "\1")))))        + 16777216 * (16 - blob.length(blob.decode(IDENTITY, encoded=std.strstr(
            "0123456789abcdef", regsub(req.http.Photo-Expiry, "^.{3}(.).*$", "\1")))))        + 1048576 * (16 - blob.length(blob.decode(IDENTITY, encoded=std.strstr(
            "0123456789abcdef", regsub(req.http.Photo-Expiry, "^.{4}(.).*$", "\1")))))        + 65536 * (16 - blob.length(blob.decode(IDENTITY, encoded=std.strstr(
            "0123456789abcdef", regsub(req.http.Photo-Expiry, "^.{5}(.).*$", "\1")))))        + 4096 * (16 - blob.length(blob.decode(IDENTITY, encoded=std.strstr(
            "0123456789abcdef", regsub(req.http.Photo-Expiry, "^.{6}(.).*$", "\1")))))        + 256 * (16 - blob.length(blob.decode(IDENTITY, encoded=std.strstr(
            "0123456789abcdef", regsub(req.http.Photo-Expiry, "^.{7}(.).*$", "\1")))))        + 16 * (16 - blob.length(blob.decode(IDENTITY, encoded=std.strstr(
            "0123456789abcdef", regsub(req.http.Photo-Expiry, "^.{8}(.).*$", "\1")))))        + 1 * (16 - blob.length(blob.decode(IDENTITY, encoded=std.strstr(
            "0123456789abcdef", regsub(req.http.Photo-Expiry, "^.{9}(.).*$", "\1")))));
}

sub vcl_purge {
    return (synth(200));
}

sub vcl_deliver {
    if (local.socket == "purge") {
        return (deliver);
    }
    if (resp.status == 200) {
        if (req.http.Photo-Expiry) {
            set resp.http.Cache-Control = "public, max-age=" + std.integer(
                real=std.real(integer=std.integer(req.http.Photo-Expiry)) - std.real(time=now));
            if (std.time(integer=std.integer(req.http.Photo-Expiry)) > now + 31536000s) {
                set resp.http.Cache-Control = "public, max-age=31536000";
            }
        } else {
            set resp.http.Cache-Control = "public, max-age=31536000, immutable";
        }
        call judge_conditions;
    } else if (resp.status == 404) {
        set resp.http.Cache-Control = "public, max-age=1";
    } else if (resp.status == 410) {
        set resp.http.Cache-Control = "public, max-age=60";
    } else {
        set resp.http.Cache-Control = "no-store";
    }
    if (resp.status == 503) {
        set resp.http.Retry-After = "1";
    }
    # Cache-Control counts from now, so Age is removed. The other headers are internal.
    unset resp.http.Age;
    unset resp.http.Photo-Opened;
    unset resp.http.Photo-Until;
    unset resp.http.Via;
    unset resp.http.X-Varnish;
    call set_safety_headers;
    return (deliver);
}

# Varnish handles conditions and ranges after this file, but only in their simplest form. This brings
# them to that form, with the same semantics as nginx and the nodes.
sub judge_conditions {
    if ((req.http.If-Unmodified-Since
            && std.time(req.http.If-Unmodified-Since, now) < std.time(resp.http.Last-Modified, now))
        || (req.http.If-Match && req.http.If-Match != "*"
            && (!std.strstr(req.http.If-Match, resp.http.ETag)
                || std.strstr(req.http.If-Match, "W/" + resp.http.ETag)))) {
        return (synth(412));
    }
    # If-Modified-Since must match exactly. If the client also sends a tag, both must match.
    if (req.http.If-None-Match) {
        if (req.http.If-Modified-Since && req.http.If-Modified-Since != resp.http.Last-Modified) {
            unset req.http.If-None-Match;
        }
        unset req.http.If-Modified-Since;
        if (req.http.If-None-Match == "*" || std.strstr(req.http.If-None-Match, resp.http.ETag)) {
            set req.http.If-None-Match = resp.http.ETag;
        } else {
            unset req.http.If-None-Match;
        }
    } else if (req.http.If-Modified-Since != resp.http.Last-Modified) {
        unset req.http.If-Modified-Since;
    }
    if (req.http.If-None-Match || req.http.If-Modified-Since) {
        unset req.http.Range;
        unset resp.http.Accept-Ranges;
        unset resp.http.Content-Type;
    }
    if (req.http.If-Range && req.http.If-Range != resp.http.ETag
        && req.http.If-Range != resp.http.Last-Modified) {
        unset req.http.Range;
    }
    unset req.http.If-Range;
    if (req.http.Range) {
        call judge_range;
    }
}

sub judge_range {
    # Other units and multiple ranges get the whole photo.
    if (req.http.Range !~ "^(?i)bytes=." || req.http.Range ~ ",") {
        unset req.http.Range;
        return;
    }
    if (req.http.Range !~ "^(?i)bytes= *([0-9]{1,18} *- *[0-9]{0,18}|-[0-9]{1,18}) *$") {
        call refuse_range;
    }
    set req.http.Photo-First = regsub(req.http.Range, "^.{6} *([0-9]*) *-.*$", "\1");
    set req.http.Photo-Last = regsub(req.http.Range, "^.*- *([0-9]*) *$", "\1");
    if (req.http.Photo-First == "") {
        if (std.integer(req.http.Photo-Last, 999999999999999) == 0) {
            call refuse_range;
        }
    } else {
        if (std.integer(req.http.Photo-First, 999999999999999) >= std.integer(resp.http.Content-Length, 0)) {
            call refuse_range;
        }
        if (req.http.Photo-Last != "" && std.integer(req.http.Photo-Last, 999999999999999)
                < std.integer(req.http.Photo-First, 0)) {
            call refuse_range;
        }
    }
    # Larger than any photo, and within Varnish's integer limit.
    if (std.integer(req.http.Photo-Last, 999999999999999) >= std.integer(resp.http.Content-Length, 0)) {
        set req.http.Photo-Last = "";
        if (req.http.Photo-First == "") {
            set req.http.Photo-First = "0";
        }
    }
    set req.http.Range = "bytes=" + req.http.Photo-First + "-" + req.http.Photo-Last;
    unset resp.http.Accept-Ranges;
}

sub refuse_range {
    set req.http.Photo-Bytes = resp.http.Content-Length;
    return (synth(416));
}

sub set_safety_headers {
    set resp.http.X-Content-Type-Options = "nosniff";
    set resp.http.Content-Security-Policy = "default-src 'none'; sandbox";
    set resp.http.Referrer-Policy = "no-referrer";
    set resp.http.Cross-Origin-Resource-Policy = "cross-origin";
    if (req.http.X-Request-Id) {
        set resp.http.X-Request-Id = req.http.X-Request-Id;
    }
}

# Error bodies are constant and never echo the request.
sub vcl_synth {
    unset resp.http.Server;
    unset resp.http.X-Varnish;
    set resp.http.Content-Type = "text/plain; charset=utf-8";
    set resp.http.Cache-Control = "no-store";
    call set_safety_headers;
    if (local.socket == "purge" && req.url == "/healthz") {
        call set_map_header;
        set resp.http.Glassplate-Keys = "bfc7cf2a928bb0ff";
    }
    if (resp.status == 204) {
        unset resp.http.Content-Type;
        set resp.http.Allow = "GET, HEAD, OPTIONS";
    } else if (resp.status == 200 && req.url == "/") {
        set resp.body = {"This server sends photos by their URLs, and nothing else.
A URL of a photo carries its own permission. The application that shows it has the URL.
Operators find the console of the cluster at /console of a storagemaster.
"};
    } else if (resp.status == 200) {
        set resp.body = "ok" + {"
"};
    } else if (resp.status == 400) {
        set resp.body = "bad request" + {"
"};
    } else if (resp.status == 403) {
        set resp.body = "forbidden" + {"
"};
    } else if (resp.status == 404) {
        set resp.body = "not found" + {"
"};
    } else if (resp.status == 405) {
        set resp.http.Allow = "GET, HEAD, OPTIONS";
        set resp.body = "method not allowed" + {"
"};
    } else if (resp.status == 412) {
        set resp.body = "precondition failed" + {"
"};
    } else if (resp.status == 416) {
        set resp.http.Content-Range = "bytes */" + req.http.Photo-Bytes;
        set resp.body = "range not satisfiable" + {"
"};
    } else {
        set resp.status = 503;
        set resp.http.Retry-After = "1";
        set resp.body = "unavailable" + {"
"};
    }
    return (deliver);
}
