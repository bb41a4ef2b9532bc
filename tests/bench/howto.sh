#!/usr/bin/env bash
# How a certificate is replaced by hand, as articles tell it: howto.sh DATA-DIRECTORY CA-DIRECTORY PORT SOCKET-DIRECTORY
# Run as the server's user. No check before, no way back, no fsync; the loop at the end is already more than most do.
set -euo pipefail
data=$1 ca=$2 port=$3 socket=$4
cd "$data"
serial=0x$(openssl rand -hex 16)
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout server.key.new -out server.csr 2>/dev/null
openssl x509 -req -in server.csr -days 90 -CA "$ca/ca.crt" -CAkey "$ca/ca.key" \
  -set_serial "$serial" -copy_extensions copy -out server.crt.new 2>/dev/null
chmod 600 server.key.new
mv server.key.new server.key
mv server.crt.new server.crt
psql -X -q -At -h "$socket" -p "$port" -U postgres -d postgres -c 'SELECT pg_reload_conf()' >/dev/null
wanted=$(openssl x509 -in server.crt -noout -serial)
served() {
  openssl s_client -starttls postgres -connect "127.0.0.1:$port" </dev/null 2>/dev/null | openssl x509 -noout -serial 2>/dev/null
}
until [ "$(served)" = "$wanted" ]; do :; done
