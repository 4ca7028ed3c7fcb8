package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxSeconds     = 60
	maxConnections = 512
	// Per connection: memory stays bounded whatever the server does.
	maxLatencies = 1 << 21
)

type plan struct {
	target      string
	request     []byte
	connections int
	duration    time.Duration
	rate        float64
	vary        string
}

type report struct {
	Requests int     `json:"requests"`
	Failures int     `json:"failures"`
	Seconds  float64 `json:"seconds"`
	P50Ms    float64 `json:"p50Ms"`
	P99Ms    float64 `json:"p99Ms"`
}

// load sends one request, given as the bytes that go over the wire, again and again over
// connections that stay open: a client library would cost more than the servers that it measures.
func load(args []string) error {
	planned, err := readPlan(args)
	if err != nil {
		return err
	}
	measured, err := planned.run()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(measured)
}

func readPlan(args []string) (plan, error) {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	target := flags.String("target", "", "unix:PATH, tcp:127.0.0.1:PORT or tls:127.0.0.1:PORT")
	file := flags.String("request", "", "file that holds the request as it goes over the wire")
	connections := flags.Int("connections", 16, "connections that stay open")
	seconds := flags.Float64("seconds", 3, "how long")
	rate := flags.Float64("rate", 0, "requests per second over all connections; 0: as many as get answered")
	vary := flags.String("vary", "", "ten digits of the request that are others each time")
	if err := flags.Parse(args); err != nil {
		return plan{}, err
	}
	if *seconds <= 0 || *seconds > maxSeconds || *connections < 1 || *connections > maxConnections {
		return plan{}, fmt.Errorf("expected at most %d s and %d connections", maxSeconds, maxConnections)
	}
	request, err := os.ReadFile(*file)
	duration := time.Duration(*seconds * float64(time.Second))
	if err == nil && *vary != "" && (len(*vary) != 10 || bytes.Count(request, []byte(*vary)) != 1) {
		err = errors.New("vary: expected ten digits that occur once in the request")
	}
	return plan{*target, request, *connections, duration, *rate, *vary}, err
}

func (p plan) run() (report, error) {
	opened := make([]net.Conn, p.connections)
	for index := range opened {
		connection, err := dial(p.target)
		if err != nil {
			return report{}, err
		}
		defer connection.Close()
		opened[index] = connection
	}
	results := make([]result, p.connections)
	var all sync.WaitGroup
	startedAt := time.Now()
	for index, connection := range opened {
		all.Go(func() { results[index] = p.drive(connection, startedAt, index) })
	}
	all.Wait()
	return summarize(results, time.Since(startedAt))
}

// dial reaches this machine only.
func dial(target string) (net.Conn, error) {
	kind, address, _ := strings.Cut(target, ":")
	switch {
	case kind == "unix":
		return net.Dial("unix", address)
	case kind == "tcp" && strings.HasPrefix(address, "127.0.0.1:"):
		return net.Dial("tcp", address)
	case kind == "tls" && strings.HasPrefix(address, "127.0.0.1:"):
		// The certificate is one of the measured webhook's own; nothing secret is sent.
		return tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	}
	return nil, fmt.Errorf("target: expected unix:PATH, tcp:127.0.0.1:PORT or tls:127.0.0.1:PORT, got %q", target)
}

type result struct {
	latencies []time.Duration
	failures  int
	err       error
}

// drive sends and reads until time is up. With a rate, latency counts from when a request was due,
// so that a server that stalls is charged for all the requests it kept waiting.
func (p plan) drive(connection net.Conn, startedAt time.Time, index int) result {
	answers := bufio.NewReaderSize(connection, 64<<10)
	deadline := startedAt.Add(p.duration)
	_ = connection.SetDeadline(deadline.Add(5 * time.Second))
	interval := time.Duration(0)
	due := startedAt
	if p.rate > 0 {
		interval = time.Duration(float64(time.Second) * float64(p.connections) / p.rate)
		due = startedAt.Add(interval * time.Duration(index) / time.Duration(p.connections))
	}
	request := bytes.Clone(p.request)
	varying := bytes.Index(request, []byte(p.vary))
	var measured result
	for len(measured.latencies) < maxLatencies {
		if interval > 0 {
			time.Sleep(time.Until(due))
		} else {
			due = time.Now()
		}
		if !due.Before(deadline) {
			break
		}
		if p.vary != "" {
			number := index*maxLatencies + len(measured.latencies)
			copy(request[varying:], fmt.Appendf(nil, "%010d", number))
		}
		if _, err := connection.Write(request); err != nil {
			measured.err = err
			break
		}
		isGood, err := readAnswer(answers)
		if err != nil {
			measured.err = err
			break
		}
		if !isGood {
			measured.failures++
		}
		measured.latencies = append(measured.latencies, time.Since(due))
		due = due.Add(interval)
	}
	return measured
}

var contentLength = []byte("content-length:")

// readAnswer reads one answer with a Content-Length and says whether it was 200.
func readAnswer(answers *bufio.Reader) (bool, error) {
	status, err := answers.ReadSlice('\n')
	if err != nil {
		return false, err
	}
	isGood := bytes.HasPrefix(status, []byte("HTTP/1.1 200 "))
	length := -1
	for {
		line, err := answers.ReadSlice('\n')
		if err != nil {
			return false, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		if len(line) > len(contentLength) && bytes.EqualFold(line[:len(contentLength)], contentLength) {
			length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(contentLength):])))
			if err != nil {
				return false, err
			}
		}
	}
	if length < 0 {
		return false, errors.New("answer: expected a Content-Length, got none")
	}
	_, err = io.CopyN(io.Discard, answers, int64(length))
	return isGood, err
}

func summarize(results []result, took time.Duration) (report, error) {
	var latencies []time.Duration
	failures := 0
	for _, each := range results {
		if each.err != nil {
			return report{}, each.err
		}
		latencies = append(latencies, each.latencies...)
		failures += each.failures
	}
	if len(latencies) == 0 {
		return report{}, errors.New("no request was answered")
	}
	slices.Sort(latencies)
	at := func(share float64) float64 {
		return float64(latencies[int(share*float64(len(latencies)-1))]) / float64(time.Millisecond)
	}
	return report{len(latencies), failures, took.Seconds(), at(0.5), at(0.99)}, nil
}
