// A device on its way in by just-in-time registration, with MQTT.js.
//
// Install: npm install mqtt
//
// Usage: node mqttjs_device.mjs HOST PORT CHAIN_FILE KEY_FILE CLIENT_ID [CA_FILE]

import { readFileSync } from "node:fs";
import mqtt from "mqtt";

const [host, port, chainFile, keyFile, clientId, caFile] = process.argv.slice(2);
const topic = `devices/${clientId}/hello`;
const shortest = 1000 + 1000 * Math.random(); // milliseconds; drawn anew for each device

const device = mqtt.connect({
  protocol: "mqtts",
  host,
  port: Number(port),
  servername: host, // SNI
  ALPNProtocols: port === "443" ? ["x-amzn-mqtt-ca"] : undefined,
  // The chain file, not the device certificate alone: the device's certificate, then its CA's.
  cert: readFileSync(chainFile),
  key: readFileSync(keyFile),
  ca: caFile && readFileSync(caFile),
  clientId,
  protocolVersion: 4, // MQTT 3.1.1
  clean: true,
  reconnectPeriod: shortest,
});

// MQTT.js always waits the same time, and a connection that ends without a CONNACK is no 'error' for it.
device.on("close", () => {
  device.options.reconnectPeriod = Math.min(2 * device.options.reconnectPeriod, 60_000);
});
device.on("connect", () => device.subscribe(topic, { qos: 1 }, () => device.publish(topic, "hello", { qos: 1 })));
device.on("message", (from, payload) => {
  device.options.reconnectPeriod = shortest; // this connection held: the policy allows what the device does
  console.log(`received '${payload}' from ${from}`);
  device.end();
});
