#!/bin/sh
# Makes the secrets that compose.yaml mounts as files: what the bucket's node shows, and what the
# bucket's server knows of it. What is there already stays.
#
#   deploy/make-secrets.sh [FOLDER]      without it: deploy/secrets
set -eu

folder="${1:-$(dirname "$0")/secrets}"
mkdir -p "$folder"
# A file is mounted as it is, and read by a user who is nobody here. So the folder keeps others out.
chmod 700 "$folder"
umask 022

if [ -e "$folder/s3-credentials" ]; then
  echo "$folder/s3-credentials is there already"
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
