package resolver

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConfigNamesTheFieldThatIsWrong(t *testing.T) {
	right := Config{KeySize: 32, Consumer: nobody{}}
	id, err := right.withDefaults().validate()
	require.NoError(t, err)
	require.EqualValues(t, "/souk/resolver/1.0.0", id)
	for field, change := range map[string]func(*Config){
		"Config.Suffix":             func(c *Config) { c.Suffix = "Blocks" },
		"Config.KeySize is 0":       func(c *Config) { c.KeySize = 0 },
		"Config.KeySize is 129":     func(c *Config) { c.KeySize = MostKey + 1 },
		"Config.Consumer is nil":    func(c *Config) { c.Consumer = nil },
		"Config.Consumers is -1":    func(c *Config) { c.Consumers = -1 },
		"Config.Mailbox is 1048576": func(c *Config) { c.Mailbox = 1 << 20 },
		"Config.Limits: Timeout":    func(c *Config) { c.Limits.Timeout = -time.Second },
	} {
		c := right
		change(&c)
		_, err := c.withDefaults().validate()
		require.ErrorContains(t, err, field)
	}
	c := right
	c.Suffix = "blocks.v2"
	id, err = c.withDefaults().validate()
	require.NoError(t, err)
	require.EqualValues(t, "/souk/resolver/1.0.0/blocks.v2", id)
	require.Equal(t, "resolver/blocks.v2", serviceName(c.Suffix))
}

func TestAKeyIsWrittenInHexadecimalDigits(t *testing.T) {
	k := Key("\x00\xffk")
	text, err := k.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "00ff6b", string(text))
	var back Key
	require.NoError(t, back.UnmarshalText(text))
	require.Equal(t, k, back)
	require.Error(t, back.UnmarshalText([]byte("0")))
	e := &KeyError{Key(strings.Repeat("x", 1000)), 32}
	require.ErrorContains(t, e, "has 1000 bytes: 32 are right")
	require.Less(t, len(e.Error()), 400)
}
