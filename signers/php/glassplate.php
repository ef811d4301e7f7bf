<?php
// Signs photo URLs and upload tickets, and checks webhooks. It needs PHP 8.1 and nothing else.
//
//   $shop = json_decode(file_get_contents('shop.json'), true);   // glassplate application export shop --json
//   Glassplate\photo_url($shop, '3/01jd3x8m2c9qp4k7/3fz8qd', 'm', expires: 3600);
//   Glassplate\ticket($shop, ['ref' => 'order-7', 'formats' => ['jpg'], 'bytes_max' => 20_000_000]);
//   Glassplate\verify_webhook($shop, $_SERVER['HTTP_GLASSPLATE_SIGNATURE'] ?? '', file_get_contents('php://input'));

namespace Glassplate;

const CHARACTERS = '0123456789abcdefghjkmnpqrstvwxyz';
const REFERENCE = '~\A([1-9][0-9]{0,4})/([0-9a-hjkmnp-tv-z]{16})/([0-9a-hjkmnp-tv-z]{6})\z~';
const SIGNATURE = '~\A([a-z0-9]{1,4})\.([0-9]{1,12})\.([A-Za-z0-9_-]{24})\z~';
const EXTENSIONS = ['jpg', 'png', 'gif', 'webp', 'avif', 'heic', 'tif'];
const CLAIMS = ['count', 'bytes_max', 'formats', 'sha256', 'volume', 'strict', 'to', 'ref'];
const WINDOW_SECONDS = 300;
const TICKET_SECONDS_MAX = 7 * 24 * 3600;

/**
 * Return the URL of one size. With $expires, in seconds, it ends; the end is rounded up to five
 * minutes, so that caches see equal URLs. The original, size 'o', needs its $ext.
 */
function photo_url(array $application, string $reference, string $size, ?string $ext = null,
    ?float $expires = null, ?float $now = null): string
{
    $ext ??= $size === 'o' ? '' : 'jpg';
    $is_reference = preg_match(REFERENCE, $reference, $match) && (int) $match[1] <= 65535;
    demand($is_reference, "invalid reference $reference");
    demand(in_array($ext, EXTENSIONS, true), "unknown format '$ext'");
    demand($expires === null || $expires > 0, "invalid expiry $expires");
    $class = class_of($application, $size);
    demand(isset($application['read_key']), 'the application has no read_key');
    $key = $application['read_key'];
    $seconds = ($now ?? microtime(true)) + (int) $expires;
    $end = $expires === null ? 0 : (int) ceil($seconds / WINDOW_SECONDS) * WINDOW_SECONDS;
    check_restriction($key['id'], $class, $end, $now ?? microtime(true));
    [, $volume, $photo, $version] = $match;
    $stem = "$volume/" . substr($photo, -2) . "/{$photo}_$version";
    $until = dechex($end);
    $mac = mac_of($key['secret'], "$until/$stem/$class");
    return "{$application['edges'][0]}/{$stem}_$size.{$key['id']}.$until.$mac.$ext";
}

/**
 * Return an upload ticket. Options are bytes_max and, if wanted, expires in seconds, count, formats,
 * sha256, volume, strict, to, and ref.
 */
function ticket(array $application, array $options): string
{
    $expires = $options['expires'] ?? 3600;
    $now = $options['now'] ?? microtime(true);
    $id = $options['id'] ?? ticket_id();
    unset($options['expires'], $options['now'], $options['id']);
    $unknown = array_diff(array_keys($options), CLAIMS);
    demand(!$unknown, 'unknown options: ' . implode(', ', $unknown));
    $o = $options + ['count' => 1, 'bytes_max' => null, 'formats' => ['jpg'], 'sha256' => '', 'volume' => 1,
        'strict' => false, 'to' => '', 'ref' => '-'];
    demand($expires > 0 && $expires <= TICKET_SECONDS_MAX, 'invalid expires');
    demand(is_whole($o['count'], 500), 'invalid count');
    demand(is_whole($o['bytes_max'], PHP_INT_MAX), 'invalid bytes_max');
    demand($o['formats'] && !array_diff($o['formats'], EXTENSIONS), 'invalid formats');
    demand($o['sha256'] === '' || ($o['count'] === 1 && preg_match('~\A[0-9a-f]{64}\z~', $o['sha256'])), 'invalid sha256');
    demand(is_whole($o['volume'], 65535), 'invalid volume');
    demand(is_bool($o['strict']), 'invalid strict');
    demand($o['to'] === '' || preg_match('~\Ahttps?://[!"$-\~]{1,500}\z~', $o['to']), 'invalid to');
    demand(preg_match('~\A(?:[^\p{C}\p{Z}]| ){1,64}\z~u', $o['ref']), 'invalid ref');
    $claims = ['application' => $application['application'], 'id' => $id, 'expiry' => (int) floor($now + $expires), 'count' => 1];
    $claims = array_replace($claims, $options);
    $json = json_encode($claims, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR);
    $key = $application['ticket_key'];
    $signed = "gt1.{$key['id']}." . base64url($json);
    return "$signed." . mac_of($key['secret'], $signed);
}

/**
 * Return the event of a webhook, from its Glassplate-Signature header and its body as received. Throw
 * unless the cluster signed it for this application in the last 300 seconds.
 */
function verify_webhook(array $application, ?string $signature, string $body, ?float $now = null): array
{
    demand(preg_match(SIGNATURE, $signature ?? '', $match), 'the webhook is refused: no signature');
    [, $key_id, $seconds, $mac] = $match;
    $key = $application['webhook_keys'][$key_id] ?? '';
    demand($key !== '', 'the webhook is refused: unknown key');
    $expected = mac_of($key, "$seconds\n" . hash('sha256', $body));
    demand(hash_equals($expected, $mac), 'the webhook is refused: wrong signature');
    demand(abs(($now ?? microtime(true)) - (int) $seconds) <= 300, 'the webhook is refused: too old');
    return json_decode($body, true, flags: JSON_THROW_ON_ERROR);
}

function class_of(array $application, string $size): string
{
    $classes = array_column($application['sizes'], 'class', 'letter') + ['o' => 'original'];
    demand(isset($classes[$size]), "unknown size '$size'");
    return $classes[$size];
}

/** A restricted key names its size classes by their first letters, then its longest lifetime in hours. */
function check_restriction(string $key_id, string $class, int $end, float $now): void
{
    preg_match('~-([wlo]*)([0-9]*)\z~', $key_id, $match);
    [, $classes, $hours] = $match + ['', '', ''];
    demand($classes === '' || str_contains($classes, $class[0]), "the read_key signs no size of class $class");
    $is_within = $end !== 0 && $end < $now + (int) $hours * 3600 + WINDOW_SECONDS;
    demand($hours === '' || $is_within, "the read_key signs URLs that end within $hours hours");
}

function demand(mixed $holds, string $problem): void
{
    $holds || throw new \InvalidArgumentException($problem);
}

function mac_of(string $secret, string $message): string
{
    return base64url(substr(hash_hmac('sha256', $message, hex2bin($secret), true), 0, 18));
}

function base64url(string $bytes): string
{
    return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
}

function is_whole(mixed $value, int $most): bool
{
    return is_int($value) && $value >= 1 && $value <= $most;
}

function ticket_id(): string
{
    return implode('', array_map(fn ($byte) => CHARACTERS[ord($byte) & 31], str_split(random_bytes(13))));
}
