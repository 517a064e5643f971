// Package logs is where a node's log goes: one stream of lines, for people or as
// JSON, with a level for each subsystem that can change while the node runs.
//
// A subsystem is the name of a zap logger. What is said of one holds for those
// below it as well, "exchange" for "exchange.engine", unless they have a level of
// their own.
package logs
