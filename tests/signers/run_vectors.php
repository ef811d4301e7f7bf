<?php
// Runs every vector with the PHP signer: php run_vectors.php vectors.json

require __DIR__ . '/../../signers/php/glassplate.php';

// A warning or a notice is a mistake of the signer.
set_error_handler(fn ($level, $message) => throw new ErrorException($message));

$vectors = json_decode(file_get_contents($argv[1]), true, flags: JSON_THROW_ON_ERROR);
$application = $vectors['application'];

function attempt(callable $work): mixed
{
    try {
        return $work();
    } catch (InvalidArgumentException) {
        return null;
    }
}

$results = [
    'urls' => array_map(fn ($case) => attempt(fn () => Glassplate\photo_url(
        array_replace($application, array_intersect_key($case, ['read_key' => 0])),
        $case['reference'], $case['size'], $case['ext'] ?? null, $case['expires'] ?? null, $case['now']
    )), $vectors['urls']),
    'tickets' => array_map(fn ($case) => attempt(fn () => Glassplate\ticket(
        $application, $case['options'] + ['now' => $case['now']]
    )), $vectors['tickets']),
    'webhooks' => array_map(fn ($case) => attempt(fn () => Glassplate\verify_webhook(
        $application, $case['signature'], $case['body'], $case['now']
    )), $vectors['webhooks']),
    'own' => [
        Glassplate\photo_url($application, '3/01jd3x8m2c9qp4k7/3fz8qd', 'm', expires: 60),
        Glassplate\ticket($application, ['bytes_max' => 1]),
    ],
];
echo json_encode($results, JSON_THROW_ON_ERROR);
