// Package job reads a Logisland job file and says what each of its keys becomes.
//
// In: the bytes of the YAML file, the environment, the user's --set. Out: a Plan:
// one stage with its flags for each stream, and a table with a verdict on every
// key. Pure: it opens nothing; what has to be asked of the outside comes in as
// functions.
//
// Non-obvious:
//   - The file is read as its own users have it, not as YAML should be: a key
//     that stands twice is legal there (the last one counts), and the tutorial
//     prints it in fragments whose indentation does not fit together (join.go).
//   - No key is passed over. One that nobody knows is named in the table and
//     needs attention; a component that nobody knows refuses the whole file,
//     because a job with one stage missing is another job.
package job
