/* A device on its way in by just-in-time registration, with Eclipse Paho C.
 *
 * Install: apt-get install libpaho-mqtt-dev
 * Build:   cc paho_device.c -o paho_device -lpaho-mqtt3cs
 *
 * Usage: paho_device HOST PORT CHAIN_FILE KEY_FILE CLIENT_ID CA_FILE
 */

#include <MQTTClient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int say_hello(MQTTClient device, const char *topic) {
    char *from = NULL;
    int length = 0;
    MQTTClient_message *message = NULL;

    if (MQTTClient_subscribe(device, topic, 1) != MQTTCLIENT_SUCCESS ||
        MQTTClient_publish(device, topic, 5, "hello", 1, 0, NULL) != MQTTCLIENT_SUCCESS ||
        MQTTClient_receive(device, &from, &length, &message, 10000) != MQTTCLIENT_SUCCESS || message == NULL)
        return 0;
    printf("received '%.*s' from %s\n", message->payloadlen, (char *)message->payload, from);
    MQTTClient_freeMessage(&message);
    MQTTClient_free(from);
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 7) return 2;
    char server[512], topic[256];
    snprintf(server, sizeof server, "ssl://%s:%s", argv[1], argv[2]);
    snprintf(topic, sizeof topic, "devices/%s/hello", argv[5]);

    MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
    tls.keyStore = argv[3]; /* the chain file: the device's certificate, then its CA's */
    tls.privateKey = argv[4];
    tls.trustStore = argv[6];
    tls.verify = 1; /* the name of the server as well */
    if (strcmp(argv[2], "443") == 0) {
        tls.protos = (const unsigned char *)"\x0ex-amzn-mqtt-ca";
        tls.protos_len = 15;
    }
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
    options.ssl = &tls;
    options.MQTTVersion = MQTTVERSION_3_1_1; /* the default tries 3.1 as well: two connects */
    options.cleansession = 1;
    options.keepAliveInterval = 30;

    MQTTClient device;
    MQTTClient_create(&device, server, argv[5], MQTTCLIENT_PERSISTENCE_NONE, NULL);
    /* Paho's automatic reconnect begins after a first success only: until then the program comes back itself. */
    srand((unsigned)time(NULL) ^ (unsigned)getpid());
    for (unsigned delay = 1000;; delay = delay < 32000 ? 2 * delay : delay) {
        if (MQTTClient_connect(device, &options) == MQTTCLIENT_SUCCESS && say_hello(device, topic)) break;
        usleep(1000u * (delay + (unsigned)rand() % delay)); /* between the delay and twice that, milliseconds */
    }
    MQTTClient_disconnect(device, 1000);
    MQTTClient_destroy(&device);
    return 0;
}
