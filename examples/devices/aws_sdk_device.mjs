// A device on its way in by just-in-time registration, with the AWS IoT Device SDK v2 for JavaScript.
//
// Install: npm install aws-iot-device-sdk-v2
//
// Usage: node aws_sdk_device.mjs HOST PORT CHAIN_FILE KEY_FILE CLIENT_ID [CA_FILE]

import { once } from "node:events";
import sdk from "aws-iot-device-sdk-v2";

const { iot, mqtt5 } = sdk;
const [host, port, chainFile, keyFile, clientId, caFile] = process.argv.slice(2);
const topic = `devices/${clientId}/hello`;

// The chain file, not the device certificate alone: the device's certificate, then its CA's.
const settings = iot.AwsIotMqtt5ClientConfigBuilder.newDirectMqttBuilderWithMtlsFromPath(host, chainFile, keyFile)
  .withPort(Number(port))
  .withConnectProperties({ clientId, keepAliveIntervalSeconds: 30 })
  // The SDK's jitter may reconnect after 0.07 s; an odd minimum keeps a fleet apart as well.
  .withRetryJitterMode(mqtt5.RetryJitterType.None)
  .withMinReconnectDelayMs(1000 + Math.floor(1000 * Math.random()))
  .withMaxReconnectDelayMs(60_000);
if (caFile) settings.withCertificateAuthorityFromPath(undefined, caFile);

// The MQTT 5 client retries its first connect too; the SDK's MQTT 3.1.1 client gives up after it.
const device = new mqtt5.Mqtt5Client(settings.build());
const connected = once(device, "connectionSuccess");
const received = once(device, "messageReceived");
device.start();
await connected;
await device.subscribe({ subscriptions: [{ topicFilter: topic, qos: mqtt5.QoS.AtLeastOnce }] });
await device.publish({ topicName: topic, payload: "hello", qos: mqtt5.QoS.AtLeastOnce });
const [{ message }] = await received;
console.log(`received '${Buffer.from(message.payload)}' from ${message.topicName}`);
const stopped = once(device, "stopped");
device.stop();
await stopped;
process.exit(); // the SDK's own threads would keep the process
