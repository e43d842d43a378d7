// Package config reads the desk's settings: defaults, then a file, then the
// environment. Every setting has one key, such as relay.addr, one variable,
// POSTERN_RELAY_ADDR, and one line of help; what is not known or not possible
// is refused at start by its name. With no settings at all the desk works.
package config

import (
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"postern/internal/fail"
	"postern/internal/hours"
	"postern/internal/security"
)

// DefaultOrgName stands until somebody gives the organisation a name.
const DefaultOrgName = "Our organisation"

// Config is every setting. The tags are the key and its help text; a default
// stands behind "=".
type Config struct {
	DataDir   string `key:"data_dir=postern-data" help:"folder for the database, keys and the certificate"`
	Database  string `key:"database" help:"postgres://... for PostgreSQL; empty: SQLite in the data folder"`
	MasterKey string `key:"master_key" help:"the master key, 64 hex digits; better give master_key_file"`
	KeyFile   string `key:"master_key_file" help:"file with the master key; empty: master.key in the data folder, made at first start"`

	OrgName  string `key:"org.name=Our organisation" help:"the organisation's name, as customers read it"`
	OrgPhone string `key:"org.phone" help:"telephone number, for people who want a person; org.hours stands beside it"`
	Promise  string `key:"org.promise=within one working day" help:"when a person answers, in words that follow \"A person will answer you\""`
	Hours    string `key:"org.hours=Mon-Fri 09:00-17:00" help:"when people are at work, such as \"Mon-Thu 09:00-17:00, Fri 09:00-13:00\"; promised times count in these hours; \"always\": at any time"`
	Holidays string `key:"org.holidays" help:"days when nobody is at work, as 2026-12-24 or, for every year, 12-25, with commas between"`
	Answer   int64  `key:"promise.answer_hours=8" help:"hours of work until a person answers; after that the case goes one rung up"`
	Take     int64  `key:"promise.take_hours=2" help:"hours of work until somebody who was called takes a case; after that the next rung is called"`
	Report   string `key:"report.days=1,5,14,5,90,3" help:"what reporters of security holes are promised, in days: first word of a person (working days), assessment (working days), a word while it is open, reward decided (working days), published, appeal answered (working days)"`
	Fix      string `key:"report.fix_days=3,14,60,90" help:"days until a hole is fixed that is critical, high, medium, low"`
	TeamKey  string `key:"report.team_key" help:"file with the public OpenPGP key of those who triage, if what is encrypted to it shall open at their place alone: this desk then stores what it cannot read; empty: reports are encrypted to the mailbox's key"`
	Canaries bool   `key:"report.canary=true" help:"each week the desk reports a made-up hole to itself, by mail and by the form, and tells people when one does not arrive"`
	Rewards  string `key:"report.rewards" help:"what is paid for reports, as \"EUR; *: 1000 500 200 50; pay.bank.example: 2500 1000 400 100\": a currency, then what is affected (* for the rest) with the amounts for critical, high, medium, low; the policy shows it; empty: no money"`
	Laws     string `key:"report.laws" help:"laws whose clocks a mark on a report starts by itself: gdpr (data of people exposed), cra, nis2, dora (exploited), with commas between; empty: somebody starts them by hand"`
	Timezone string `key:"org.timezone=UTC" help:"time zone of times on pages, such as Europe/Berlin"`
	Mailbox  string `key:"org.mailbox" help:"first mailbox, made at first start; empty: support@ the host of web.url"`

	URL       string `key:"web.url=https://localhost:8443" help:"address that customers reach the desk at; https only; as it stands, with the port of web.addr"`
	HTTPAddr  string `key:"web.addr=127.0.0.1:8443" help:"where to listen for HTTPS"`
	StaffAddr string `key:"web.staff_addr" help:"where staff pages listen apart; empty: beside the public pages"`
	PlainAddr string `key:"web.redirect_addr" help:"where to listen for plain HTTP, only to redirect to HTTPS; empty: nowhere"`
	StaffURL  string `key:"web.staff_url" help:"address that staff reach their pages at; empty: web.url, with the port of web.staff_addr if that is set"`
	TLSCert   string `key:"web.tls_cert" help:"certificate file; empty: a self-signed one, made at first start"`
	TLSKey    string `key:"web.tls_key" help:"private key file of the certificate"`

	SMTPAddr    string `key:"smtp.addr=127.0.0.1:2525" help:"where to listen for mail by SMTP; \"off\": nowhere"`
	LMTPAddr    string `key:"lmtp.addr" help:"where to listen for mail by LMTP: host:port or unix:/path; empty: nowhere"`
	Hostname    string `key:"smtp.hostname" help:"our name in SMTP; empty: the host of web.url"`
	MaxMail     int64  `key:"smtp.max_bytes=36700160" help:"largest mail taken, in bytes"`
	MaxConns    int    `key:"smtp.max_connections=200" help:"SMTP connections at once"`
	MaxConnsIP  int    `key:"smtp.max_connections_per_ip=20" help:"SMTP connections at once from one address"`
	RequireTLS  bool   `key:"smtp.require_tls=false" help:"take mail only after STARTTLS"`
	CheckDomain bool   `key:"smtp.check_domain=false" help:"look SPF, DKIM and DMARC up in the DNS, as hints"`

	RelayAddr     string `key:"relay.addr" help:"host:port of the mail server that sends for us; empty: mail is captured in the tray"`
	RelayTLS      string `key:"relay.tls=required" help:"required, opportunistic or none (loopback only)"`
	RelayImplicit bool   `key:"relay.implicit_tls=false" help:"TLS from the first byte, as on port 465"`
	RelayUser     string `key:"relay.username" help:"user name at the relay"`
	RelayPassword string `key:"relay.password" help:"password at the relay; better give relay.password_file"`
	RelayPassFile string `key:"relay.password_file" help:"file with the password at the relay"`
	RelayCA       string `key:"relay.ca_file" help:"file with certificates that vouch for the relay; empty: the system's"`

	StrictProof bool `key:"proof.strict=false" help:"level 3: instructions and sensitive pages open to passkeys and verified keys only, never to codes"`

	HooksAllow string `key:"hooks.allow" help:"networks inside your house that webhooks may reach, such as 10.1.0.0/16, separated by commas; empty: none"`
	HooksCA    string `key:"hooks.ca_file" help:"file with certificates that vouch for the systems that webhooks call; empty: the system's"`

	TextsURL     string `key:"texts.url" help:"https address of the provider that sends codes to customers' telephones, as POST of JSON with to, text and kind; hooks.allow and hooks.ca_file hold for it too; empty: no such codes"`
	TextsSecret  string `key:"texts.secret" help:"secret that signs what goes to texts.url (Standard Webhooks): whsec_ and 24 to 64 bytes in base64"`
	TextsKind    string `key:"texts.kind=sms" help:"what the provider is asked for: sms, or voice that reads the text out"`
	TextsCapture bool   `key:"texts.capture=false" help:"keep codes for telephones in the tray, to try the desk out: whoever may read the tray can come in as any customer"`

	LinksFetch  bool   `key:"links.fetch=true" help:"follow the links of what is written, to see where they lead before it leaves; false: judge them by how they are written"`
	LinksOwn    string `key:"links.own" help:"domains of yours beside those of web.url and of the mailboxes, such as example.org, with commas between"`
	LinksListed string `key:"links.listed" help:"domains of others that you send people to, such as survey.example, with commas between; links to all others are asked about before they leave"`

	MetricsAddr string `key:"metrics.addr" help:"where to serve Prometheus metrics; empty: nowhere"`
	Node        string `key:"node" help:"name of this node among several; empty: the host's name"`
	LogLevel    string `key:"log.level=info" help:"debug, info, warn or error"`
}

// A Setting describes one key.
type Setting struct{ Key, Env, Default, Help string }

// Settings lists all keys, for the documentation.
func Settings() []Setting {
	var out []Setting
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		key, def, _ := strings.Cut(t.Field(i).Tag.Get("key"), "=")
		out = append(out, Setting{key, envName(key), def, t.Field(i).Tag.Get("help")})
	}
	return out
}

func envName(key string) string {
	return "POSTERN_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// Load reads file (empty: none) and the environment over the defaults.
func Load(file string, env []string) (*Config, error) {
	values := map[string]string{}
	for _, s := range Settings() {
		values[s.Key] = s.Default
	}
	if file != "" {
		if err := readFile(file, values); err != nil {
			return nil, err
		}
	}
	if err := readEnv(env, values); err != nil {
		return nil, err
	}
	c := &Config{}
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		key, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("key"), "=")
		if err := set(v.Field(i), key, values[key]); err != nil {
			return nil, err
		}
	}
	return c, c.check()
}

func set(f reflect.Value, key, s string) error {
	switch f.Kind() {
	case reflect.String:
		f.SetString(s)
	case reflect.Bool:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return refuse(key, s, "say true or false")
		}
		f.SetBool(b)
	default:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 1 {
			return refuse(key, s, "give a whole number above 0")
		}
		f.SetInt(n)
	}
	return nil
}

func refuse(key, value, mend string) error {
	return fail.New(fail.Invalid, "setting %s (%s) cannot be %q: %s", key, envName(key), value, mend)
}

func readFile(file string, values map[string]string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fail.Wrap(fail.Invalid, err, "the configuration file cannot be read")
	}
	var tree map[string]any
	if _, err := toml.Decode(string(data), &tree); err != nil {
		return fail.Wrap(fail.Invalid, err, "the configuration file "+file+" is not valid TOML")
	}
	return flatten("", tree, values)
}

func flatten(prefix string, tree map[string]any, values map[string]string) error {
	for k, v := range tree {
		if sub, ok := v.(map[string]any); ok {
			if err := flatten(prefix+k+".", sub, values); err != nil {
				return err
			}
			continue
		}
		if _, known := values[prefix+k]; !known {
			return fail.New(fail.Invalid, "there is no setting %s%s; \"postern help config\" lists all", prefix, k)
		}
		values[prefix+k] = fmt.Sprint(v)
	}
	return nil
}

func readEnv(env []string, values map[string]string) error {
	names := map[string]string{}
	for _, s := range Settings() {
		names[s.Env] = s.Key
	}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, "POSTERN_") || strings.HasPrefix(name, "POSTERN_TEST_") || name == "POSTERN_CONFIG" {
			continue
		}
		key, known := names[name]
		if !known {
			return fail.New(fail.Invalid, "there is no setting for the variable %s; \"postern help config\" lists all", name)
		}
		values[key] = value
	}
	return nil
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$`)

// NamesMailbox reports whether the settings name a mailbox, and not the one that the desk
// makes up.
func (c *Config) NamesMailbox() bool {
	u, err := url.Parse(c.URL)
	return err != nil || c.Mailbox != "support@"+u.Hostname()
}

// checkReach fills in what follows from web.url and from where the desk listens, and
// refuses what cannot be reached.
func (c *Config) checkReach() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return refuse("web.url", c.URL, "it must be https://host or https://host:port; no page of the desk runs over plain HTTP")
	}
	if _, port, err := net.SplitHostPort(c.HTTPAddr); err == nil && u.Host == "localhost:8443" && port != "8443" { // only where to listen was said
		u.Host = "localhost:" + port
	}
	c.URL = "https://" + u.Host
	if c.StaffURL == "" {
		c.StaffURL = c.URL
		if _, port, err := net.SplitHostPort(c.StaffAddr); err == nil && port != "443" {
			c.StaffURL = "https://" + net.JoinHostPort(u.Hostname(), port)
		}
	}
	s, err := url.Parse(c.StaffURL)
	if err != nil || s.Scheme != "https" || s.Host == "" || strings.Trim(s.Path, "/") != "" || s.RawQuery != "" || s.Hostname() != u.Hostname() && !strings.HasSuffix(s.Hostname(), "."+u.Hostname()) {
		return refuse("web.staff_url", c.StaffURL, "it must be https://host or https://host:port, with the host of web.url or one below it: passkeys are made for that name")
	}
	c.StaffURL = "https://" + s.Host
	if c.Hostname == "" {
		c.Hostname = u.Hostname()
	}
	if !hostName.MatchString(c.Hostname) {
		return refuse("smtp.hostname", c.Hostname, "it must be a name such as mail.example.org")
	}
	for key, file := range map[string]string{"relay.ca_file": c.RelayCA, "relay.password_file": c.RelayPassFile} {
		if _, err := os.Stat(file); file != "" && err != nil {
			return fail.Wrap(fail.Invalid, err, "setting "+key+" ("+envName(key)+") names a file that cannot be read: "+file)
		}
	}
	if c.Mailbox == "" {
		c.Mailbox = "support@" + u.Hostname()
	}
	if a, err := mail.ParseAddress(c.Mailbox); err != nil || a.Address != c.Mailbox {
		return refuse("org.mailbox", c.Mailbox, "it must be an address such as support@example.org")
	}
	return nil
}

// check refuses what cannot work, by name.
func (c *Config) check() error {
	if err := c.checkReach(); err != nil {
		return err
	}
	if c.Node == "" {
		c.Node, _ = os.Hostname()
	}
	if _, err := time.LoadLocation(c.Timezone); err != nil {
		return refuse("org.timezone", c.Timezone, "it must be a zone such as Europe/Berlin")
	}
	if _, err := c.Calendar(); err != nil {
		return refuse("org.hours", c.Hours, fail.Text(err)+" (org.holidays counts too)")
	}
	if _, err := security.ParseRewards(c.Rewards); err != nil {
		return refuse("report.rewards", c.Rewards, fail.Text(err))
	}
	if _, err := security.ParseLaws(c.Laws); err != nil {
		return refuse("report.laws", c.Laws, fail.Text(err))
	}
	if _, err := c.Reports(); err != nil {
		return refuse("report.days", c.Report, fail.Text(err)+" (report.fix_days counts too)")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return refuse("web.tls_cert", c.TLSCert, "give web.tls_cert and web.tls_key together, or neither")
	}
	if strings.ContainsAny(c.OrgName, "\r\n@<>") || c.OrgName == "" {
		return refuse("org.name", c.OrgName, "it must be a name without line breaks, @, < or >")
	}
	if err := c.checkTexts(); err != nil {
		return err
	}
	if err := c.checkLinks(); err != nil {
		return err
	}
	return c.checkAddresses()
}

// Domains is a list of domains as it is written in a setting.
func Domains(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return r == ',' || r == ' ' || r == ';' })
}

// checkLinks wants names: an address in a list of names would never match.
func (c *Config) checkLinks() error {
	for key, list := range map[string]string{"links.own": c.LinksOwn, "links.listed": c.LinksListed} {
		for _, name := range Domains(list) {
			if !strings.Contains(name, ".") || strings.ContainsAny(name, "/:@*?#") || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") {
				return refuse(key, name, "write domains such as example.org, with commas between; what is below them counts too")
			}
		}
	}
	return nil
}

// Calendar is when people of the organisation are at work.
func (c *Config) Calendar() (*hours.Hours, error) {
	zone, err := time.LoadLocation(c.Timezone)
	if err != nil {
		return nil, err
	}
	week := c.Hours
	if week == "always" {
		week = ""
	} else if strings.TrimSpace(week) == "" {
		return nil, fail.New(fail.Invalid, "write when people are at work, or always")
	}
	return hours.Parse(week, c.Holidays, zone)
}

// Reports are the times promised to who reports a security hole.
func (c *Config) Reports() (security.Promises, error) {
	calendar, err := c.Calendar()
	if err != nil {
		return security.Promises{}, err
	}
	p := security.Standard(calendar)
	if err := numbers(c.Report, &p.First, &p.Assess, &p.Update, &p.Reward, &p.Publish, &p.Appeal); err != nil {
		return p, err
	}
	if err := numbers(c.Fix, &p.Fix[0], &p.Fix[1], &p.Fix[2], &p.Fix[3]); err != nil {
		return p, err
	}
	if p.Rewards, err = security.ParseRewards(c.Rewards); err != nil {
		return p, err
	}
	if p.Laws, err = security.ParseLaws(c.Laws); err != nil {
		return p, err
	}
	return p, p.Check()
}

// numbers reads as many numbers as there are places, with commas between.
func numbers(s string, places ...*int) (err error) {
	list := strings.Split(s, ",")
	if len(list) != len(places) {
		return fail.New(fail.Invalid, "write %d numbers with commas between", len(places))
	}
	for i, x := range list {
		if *places[i], err = strconv.Atoi(strings.TrimSpace(x)); err != nil {
			return fail.New(fail.Invalid, "%q is no number", x)
		}
	}
	return nil
}

// checkTexts wants one way or none. What the address and the secret look like is
// seen by the sender.
func (c *Config) checkTexts() error {
	switch {
	case c.TextsURL != "" && c.TextsCapture:
		return refuse("texts.capture", "true", "texts go to texts.url or to the tray, not to both")
	case (c.TextsURL == "") != (c.TextsSecret == ""):
		return fail.New(fail.Invalid, "give the settings texts.url and texts.secret together, or neither")
	case c.TextsKind != "sms" && c.TextsKind != "voice":
		return refuse("texts.kind", c.TextsKind, "say sms or voice")
	}
	return nil
}

func (c *Config) checkAddresses() error {
	for key, addr := range map[string]string{"web.addr": c.HTTPAddr, "web.staff_addr": c.StaffAddr, "web.redirect_addr": c.PlainAddr,
		"metrics.addr": c.MetricsAddr, "relay.addr": c.RelayAddr} {
		if _, _, err := net.SplitHostPort(addr); addr != "" && err != nil {
			return refuse(key, addr, "it must be host:port")
		}
	}
	if c.HTTPAddr == "" {
		return refuse("web.addr", "", "the desk needs an address to listen at")
	}
	if _, _, err := net.SplitHostPort(c.SMTPAddr); c.SMTPAddr != "off" && err != nil {
		return refuse("smtp.addr", c.SMTPAddr, "it must be host:port, or off")
	}
	if _, _, err := net.SplitHostPort(c.LMTPAddr); c.LMTPAddr != "" && !strings.HasPrefix(c.LMTPAddr, "unix:/") && err != nil {
		return refuse("lmtp.addr", c.LMTPAddr, "it must be host:port or unix:/path")
	}
	switch c.RelayTLS {
	case "required", "opportunistic":
	case "none":
		host, _, _ := net.SplitHostPort(c.RelayAddr)
		if ip := net.ParseIP(host); c.RelayAddr != "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return refuse("relay.tls", "none", "mail leaves this machine only over TLS; \"none\" is for a relay on this machine")
		}
	default:
		return refuse("relay.tls", c.RelayTLS, "say required, opportunistic or none")
	}
	switch c.LogLevel {
	case "debug", "info", "warn", "error":
		return nil
	}
	return refuse("log.level", c.LogLevel, "say debug, info, warn or error")
}
