// A device on its way in by just-in-time registration, with Eclipse Paho Go.
//
// Install: go get github.com/eclipse/paho.mqtt.golang
//
// Usage: go run paho_device.go HOST PORT CHAIN_FILE KEY_FILE CLIENT_ID [CA_FILE]
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"math/rand"
	"os"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

func main() {
	host, port, chainFile, keyFile, clientID := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	topic := "devices/" + clientID + "/hello"

	// The chain file, not the device certificate alone: the device's certificate, then its CA's.
	chain, err := tls.LoadX509KeyPair(chainFile, keyFile)
	if err != nil {
		log.Fatal(err)
	}
	settings := &tls.Config{Certificates: []tls.Certificate{chain}, ServerName: host}
	if port == "443" {
		settings.NextProtos = []string{"x-amzn-mqtt-ca"}
	}
	if len(os.Args) > 6 {
		roots, err := os.ReadFile(os.Args[6])
		if err != nil {
			log.Fatal(err)
		}
		settings.RootCAs = x509.NewCertPool()
		settings.RootCAs.AppendCertsFromPEM(roots)
	}
	received := make(chan mqtt.Message, 1)
	options := mqtt.NewClientOptions().AddBroker("ssl://" + host + ":" + port).SetClientID(clientID)
	options.SetTLSConfig(settings).SetCleanSession(true)
	options.SetProtocolVersion(4) // MQTT 3.1.1; the default tries 3.1 as well: two connects
	device := mqtt.NewClient(options)

	// Connect gives up after one refusal, and SetConnectRetry always waits the same time: the program comes back itself.
	rand.Seed(time.Now().UnixNano())
	for delay := time.Second; ; delay = min(2*delay, 32*time.Second) {
		connect := device.Connect()
		if connect.Wait() && connect.Error() == nil {
			break
		}
		time.Sleep(delay + time.Duration(rand.Int63n(int64(delay)))) // between the delay and twice that
	}
	device.Subscribe(topic, 1, func(_ mqtt.Client, message mqtt.Message) { received <- message }).Wait()
	device.Publish(topic, 1, false, "hello").Wait()
	message := <-received
	fmt.Printf("received '%s' from %s\n", message.Payload(), message.Topic())
	device.Disconnect(250)
}

func min(one, other time.Duration) time.Duration {
	if one < other {
		return one
	}
	return other
}
