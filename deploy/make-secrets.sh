#!/bin/sh
# Creates the secrets that compose.yaml mounts as files: the credentials of the bucket node, and the
# identities of the S3 server. Existing secrets stay.
#
#   deploy/make-secrets.sh [DIRECTORY]      default: deploy/secrets
set -eu

folder="${1:-$(dirname "$0")/secrets}"
mkdir -p "$folder"
# The containers' user does not exist on the host and must read the files, so the directory is private
# instead.
chmod 700 "$folder"
umask 022

if [ -e "$folder/s3-credentials" ]; then
  echo "$folder/s3-credentials already exists"
  exit
fi
random() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }
id="$(random 10)"
secret="$(random 32)"

cat >"$folder/s3-identities" <<END
{
  "identities": [
    {
      "name": "cold-1",
      "credentials": [{"accessKey": "$id", "secretKey": "$secret"}],
      "actions": ["Admin", "Read", "Write", "List", "Tagging"]
    }
  ]
}
END
cat >"$folder/s3-credentials" <<END
[default]
aws_access_key_id = $id
aws_secret_access_key = $secret
END
