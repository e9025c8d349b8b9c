#!/usr/bin/env bash
# A device on its way in by just-in-time registration, with mosquitto_pub, which does not retry by itself.
# Usage: mosquitto_device.sh HOST PORT CHAIN_FILE KEY_FILE CLIENT_ID CA_FILE
set -u
host=$1 port=$2 chain_file=$3 key_file=$4 client_id=$5 ca_file=$6

delay=1
until mosquitto_pub --host "$host" --port "$port" --id "$client_id" \
    --cafile "$ca_file" --cert "$chain_file" --key "$key_file" \
    --qos 1 --topic "devices/$client_id/hello" --message hello; do
  # Whole seconds at random between the delay and twice that, the delay doubling up to half a minute.
  sleep $((delay + RANDOM % (delay + 1)))
  delay=$((delay < 32 ? delay * 2 : 32))
done
