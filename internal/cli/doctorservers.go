package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"xcapa/internal/doctor"
	"xcapa/internal/elastic"
	"xcapa/internal/kafka"
)

// serverPatience is how long a server may take: less than a check may, so that
// one that says nothing is a failure and not an unanswered question.
const serverPatience = 8 * time.Second

// impatient makes a Look that gives a server serverPatience.
func impatient(look func(context.Context) doctor.Finding) func(context.Context) doctor.Finding {
	return func(ctx context.Context) doctor.Finding {
		ctx, cancel := context.WithTimeout(ctx, serverPatience)
		defer cancel()
		return look(ctx)
	}
}

// serverChecks look at the brokers and Elasticsearch that were named.
func (o *doctorOptions) serverChecks() ([]doctor.Check, error) {
	var checks []doctor.Check
	if o.kafka.hasBrokers() {
		cfg, err := o.kafka.config(os.LookupEnv)
		if err != nil {
			return nil, err
		}
		cfg.CreateTopics = kafka.CreateTopics{Allowed: true, Partitions: -1, Replicas: -1}
		checks = append(checks, doctor.Check{Name: "kafka", Why: "records go there",
			Look: func(ctx context.Context) doctor.Finding { return o.brokers(ctx, cfg) }})
		for _, topic := range o.topics {
			checks = append(checks, doctor.Check{Name: "topic", Why: "a capture writes its records there",
				Look: func(ctx context.Context) doctor.Finding { return o.topic(ctx, cfg, topic) }})
		}
	}
	if len(o.elastic.hosts) > 0 {
		if err := o.elastic.complete(nil); err != nil {
			return nil, err
		}
		client, err := elastic.NewClient(o.elastic.Config)
		if err != nil {
			return nil, err
		}
		checks = append(checks,
			doctor.Check{Name: "elasticsearch", Why: "the indexer writes documents there",
				Look: impatient(func(ctx context.Context) doctor.Finding { return o.elasticsearch(ctx, client) })},
			doctor.Check{Name: "template", Why: "without it a new index guesses types: addresses become text",
				Look: impatient(func(ctx context.Context) doctor.Finding { return o.template(ctx, client) })})
	}
	return checks, nil
}

// brokers asks whether the cluster answers and takes who we are.
func (o *doctorOptions) brokers(ctx context.Context, cfg kafka.Config) doctor.Finding {
	if err := kafka.Check(ctx, cfg); err != nil {
		return doctor.Finding{State: doctor.Fail, Found: err.Error()}
	}
	words := []string{strings.Join(cfg.Brokers, ",") + " answers"}
	if cfg.TLS != nil {
		words = append(words, "TLS")
	}
	if cfg.SASL != nil {
		words = append(words, "SASL "+cfg.SASL.String())
	}
	return doctor.Finding{State: doctor.OK, Found: strings.Join(words, ", ")}
}

// topic asks whether a topic is there and may be written.
func (o *doctorOptions) topic(ctx context.Context, cfg kafka.Config, topic string) doctor.Finding {
	made := ""
	if o.create {
		if err := kafka.EnsureTopics(ctx, cfg, topic); err != nil {
			return doctor.Finding{State: doctor.Fail, Found: err.Error()}
		}
		made = " (it is there now)"
	}
	all, err := kafka.LookAt(ctx, cfg, topic)
	if err != nil || len(all) != 1 {
		return doctor.Finding{State: doctor.Skipped, Found: fmt.Sprintf("topic %s: see kafka", topic)}
	}
	a := all[0]
	switch {
	case errors.Is(a.Err, kafka.ErrTopicMissing):
		return doctor.Finding{State: doctor.Fail, Found: fmt.Sprintf("topic %s is not there", topic),
			Mend: o.command("create-topics", "output", "topic", "interface") + " --topic " + shellQuote(topic) + " --create-topics",
			Or:   "let the capture make it (--create-topics, --partitions, --replicas)"}
	case a.Err != nil:
		return doctor.Finding{State: doctor.Fail, Found: a.Err.Error(), Mend: o.grant(cfg, topic)}
	case a.Said && !a.Write:
		return doctor.Finding{State: doctor.Fail, Found: fmt.Sprintf("topic %s may not be written by this user", topic), Mend: o.grant(cfg, topic)}
	}
	rights := "may be written"
	if !a.Said {
		rights = "the broker does not say whether it may be written"
	}
	return doctor.Finding{State: doctor.OK, Found: fmt.Sprintf("%s: %d %s, %s%s", topic, a.Partitions, plural(a.Partitions, "partition", "partitions"), rights, made)}
}

// grant is the command of Kafka's that lets the user write a topic.
func (o *doctorOptions) grant(cfg kafka.Config, topic string) string {
	user := "ANONYMOUS"
	if cfg.SASL != nil {
		user = cfg.SASL.User
	}
	return fmt.Sprintf("kafka-acls.sh --bootstrap-server %s --add --allow-principal %s --operation Write --operation Describe --topic %s",
		strings.Join(cfg.Brokers, ","), shellQuote("User:"+user), shellQuote(topic))
}

// elasticsearch asks whether the cluster answers, takes who we are, and is of a
// version that is known.
func (o *doctorOptions) elasticsearch(ctx context.Context, client *elastic.Client) doctor.Finding {
	err := client.Check(ctx)
	switch {
	case errors.Is(err, elastic.ErrCredentials):
		return doctor.Finding{State: doctor.Fail, Found: err.Error(), Mend: o.newKey(),
			Or: "correct the key (--api-key-file), or user and password (--es-user, --es-password-file)"}
	case err != nil:
		return doctor.Finding{State: doctor.Fail, Found: err.Error()}
	}
	version, err := client.Version(ctx)
	if err != nil {
		return doctor.Finding{State: doctor.Fail, Found: err.Error()}
	}
	found := client.Hosts() + " answers and takes the credentials"
	if version == "" {
		return doctor.Finding{State: doctor.OK, Found: found + "; it does not say its version"}
	}
	found += ", version " + version
	if major, _ := strconv.Atoi(strings.SplitN(version, ".", 2)[0]); major < 8 || major > 9 {
		return doctor.Finding{State: doctor.Warn, Found: found, Why: "the indexer was made for Elasticsearch 8 and 9", Or: "use one of these"}
	}
	return doctor.Finding{State: doctor.OK, Found: found}
}

// keyFile is where newKey puts the key.
const keyFile = "xcapa.key"

// newKey is the command that makes a key with the least privileges and keeps it
// in a file; curl asks for the administrator's password.
func (o *doctorOptions) newKey() string {
	trust := ""
	if o.elastic.CAFile != "" {
		trust = " --cacert " + shellQuote(o.elastic.CAFile)
	}
	return fmt.Sprintf(`(umask 077; xcapa index --print-api-key --index %s | curl -fsS%s -u elastic -H 'Content-Type: application/json' --data-binary @- %s/_security/api_key | sed -n 's/.*"encoded" *: *"\([^"]*\)".*/\1/p' > %s)`,
		shellQuote(o.elastic.Index), trust, shellQuote(strings.TrimSuffix(elasticURL(o.elastic.hosts[0]), "/")), keyFile)
}

// elasticURL is a host as curl wants it.
func elasticURL(host string) string {
	if strings.Contains(host, "://") {
		return host
	}
	return "http://" + host
}

// template asks for the index template and for the indices there are.
func (o *doctorOptions) template(ctx context.Context, client *elastic.Client) doctor.Finding {
	state, err := client.EnsureTemplate(ctx, o.install)
	name := elastic.TemplateName(o.elastic.Index)
	switch {
	case elastic.IsUnreachable(err):
		return doctor.Finding{State: doctor.Skipped, Found: "see elasticsearch"}
	case errors.Is(err, elastic.ErrTemplate):
		return doctor.Finding{State: doctor.Warn, Found: err.Error(),
			Mend: o.command("install-template", "output", "interface") + " --install-template", Or: "let the indexer install it when it starts, if its key may"}
	case err != nil:
		return doctor.Finding{State: doctor.Fail, Found: err.Error()}
	case state == elastic.TemplateUnchecked:
		return doctor.Finding{State: doctor.Skipped, Found: "the key may not read index templates (manage_index_templates)"}
	}
	return doctor.Finding{State: doctor.OK, Found: fmt.Sprintf("%s, version %d, %s", name, elastic.TemplateVersion, state)}
}
