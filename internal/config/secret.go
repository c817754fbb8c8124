package config

import (
	"net/url"
	"strings"
)

// mask is shown where a secret stands.
const mask = "********"

// secretWords make a name one whose value is a secret.
var secretWords = []string{"password", "passphrase", "secret", "api-key", "apikey", "token", "jaas", "key.pem"}

// isSecret: the value of a setting or Kafka property of that name must not be
// shown. The name of a file that holds a secret may.
func isSecret(name string) bool {
	name = strings.ToLower(name)
	if strings.HasSuffix(name, "-file") || strings.HasSuffix(name, ".location") {
		return false
	}
	for _, w := range secretWords {
		if strings.Contains(name, w) {
			return true
		}
	}
	return false
}

// Masked is value as it may be shown: of a secret nothing, of NAME=VALUE with a
// secret name the name, of a URL not its password.
func Masked(name, value string) string {
	if value == "" {
		return value
	}
	if isSecret(name) {
		return mask
	}
	if key, _, ok := strings.Cut(value, "="); ok && isSecret(key) {
		return key + "=" + mask
	}
	if u, err := url.Parse(value); err == nil && u.User != nil {
		if _, has := u.User.Password(); has {
			return strings.Replace(u.Redacted(), ":xxxxx@", ":"+mask+"@", 1)
		}
	}
	return value
}
