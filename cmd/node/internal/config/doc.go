// Package config finds out what the flags of a node are set to. Every flag is a
// setting, and its value comes from the first of these that has one:
//
//	the command line   --tracker-memory 64
//	the environment    SOUK_TRACKER_MEMORY=64
//	the repository     {"tracker-memory": 64} in its file config
//	the default
//
// A flag that holds a list takes an array in the file, and in the environment
// values with commas in between. A variable that is empty counts as not set.
package config
