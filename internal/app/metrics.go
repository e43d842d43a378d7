package app

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics counts what happens. Labels are words of ours, never addresses,
// references or anything somebody wrote.
type metrics struct {
	reg              *prometheus.Registry
	smtpN, inN, outN *prometheus.CounterVec
	hookN            *prometheus.CounterVec
	requests         *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{reg: prometheus.NewRegistry(),
		smtpN:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "postern_smtp_events_total", Help: "Events at the mail doors."}, []string{"event"}),
		inN:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "postern_intake_events_total", Help: "Mails accepted, filed, quarantined."}, []string{"event"}),
		outN:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "postern_outbox_events_total", Help: "Deliveries by outcome."}, []string{"event"}),
		hookN:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "postern_webhook_events_total", Help: "Calls of webhooks by outcome."}, []string{"event"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "postern_http_seconds", Help: "Time to answer a request.", Buckets: prometheus.ExponentialBuckets(.001, 3, 9)}, []string{"code"})}
	m.reg.MustRegister(m.smtpN, m.inN, m.outN, m.hookN, m.requests, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) smtp(event string)   { m.smtpN.WithLabelValues(event).Inc() }
func (m *metrics) intake(event string) { m.inN.WithLabelValues(event).Inc() }
func (m *metrics) hooks(event string)  { m.hookN.WithLabelValues(event).Inc() }
func (m *metrics) outbox(event string) { m.outN.WithLabelValues(event).Inc() }

func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.reg, promhttp.HandlerOpts{}))
	return mux
}

type coded struct {
	http.ResponseWriter
	code int
}

func (c *coded) WriteHeader(code int)        { c.code = code; c.ResponseWriter.WriteHeader(code) }
func (c *coded) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (m *metrics) http(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, c := time.Now(), &coded{w, http.StatusOK}
		next.ServeHTTP(c, r)
		m.requests.WithLabelValues(strconv.Itoa(c.code)).Observe(time.Since(start).Seconds())
	})
}
