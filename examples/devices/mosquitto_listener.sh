#!/usr/bin/env bash
# Listens as a device that is active already: mosquitto_device.sh connects a new one. mosquitto_sub reconnects by
# itself, but every second and for ever, which no fleet should do that waits to be activated.
# Usage: mosquitto_listener.sh HOST PORT CHAIN_FILE KEY_FILE CLIENT_ID CA_FILE
set -u
host=$1 port=$2 chain_file=$3 key_file=$4 client_id=$5 ca_file=$6

exec mosquitto_sub --host "$host" --port "$port" --id "$client_id" \
  --cafile "$ca_file" --cert "$chain_file" --key "$key_file" \
  --qos 1 --topic "devices/$client_id/commands"
