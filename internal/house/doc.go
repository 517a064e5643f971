// Package house keeps the architecture: its tests read every file of the module
// and fail where one breaks a rule, with the rule's reason and what would be
// right.
//
// The rules, each in a file of its own:
//
//   - floors: who may import whom, and which folders there are.
//   - imports: what someone who embeds the session API pays for.
//   - rooms: an actor has the same four files everywhere, and no locks.
//   - state: an actor's decisions have no goroutine, channel, clock or chance.
//   - methods: what callers of an actor may touch.
//   - assertions: nothing ends a goroutine of a test that others wait for.
//   - sizes: how long a file and a function may be.
//   - words: the repository is about itself alone.
//   - readme: its commands, code and links work.
//
// Each rule carries small bad examples and a test proves that it finds them. To
// change a rule is to change the architecture: ARCHITECTURE.md changes with it.
package house
