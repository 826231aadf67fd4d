#!/bin/sh
# Makes .env: a copy of .env.example with a fresh secret for the key and each password. Never changes a .env.
set -eu
cd "$(dirname "$0")/.."

if [ -e .env ]; then
  echo "env: .env is left as it is; its MATRICULA_KEY opens the tokens stored so far" >&2
  exit 1
fi

secret() {
  case $1 in
    MATRICULA_KEY) head -c 32 /dev/urandom | base64 ;;
    *) head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' ;;
  esac
}

umask 077
while IFS= read -r line; do
  case $line in
    MATRICULA_KEY= | *_PASSWORD=) echo "$line$(secret "${line%=}")" ;;
    *) echo "$line" ;;
  esac
done <.env.example >.env.new
mv .env.new .env
echo "env: .env is made; keep a copy of its MATRICULA_KEY" >&2
