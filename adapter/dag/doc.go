// Package dag reads DAGs of blocks, whatever their codec: what a block links to
// ([Links]), and every block below a root once ([Walk]).
//
// The packages below it are about DAGs that a store keeps: which are to stay (roots), how
// the rest is removed (gc), and how they travel as files (car).
package dag
