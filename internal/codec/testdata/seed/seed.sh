#!/bin/sh
# seed.sh ARGUMENT...: run Seed.java over Logisland's published classes. Needs a
# JDK (11 or later), mvn, unzip and, once, a network; the jars stay in
# ${XCAPA_SEED_CACHE:-~/.cache/xcapa/seed}.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${XCAPA_SEED_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xcapa/seed}
if [ ! -e "$cache/ready" ] || [ "$here/Seed.java" -nt "$cache/ready" ]; then
  mkdir -p "$cache/classes"
  mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$cache/jars" >&2
  (cd "$cache" && unzip -qo jars/logisland-processor-cyber-security-1.2.0.jar 'BOOT-INF/*')
  javac -d "$cache/classes" -cp "$cache/BOOT-INF/classes:$cache/BOOT-INF/lib/*:$cache/jars/*" "$here/Seed.java" >&2
  touch "$cache/ready"
fi
exec java -Xmx512m -cp "$cache/classes:$cache/BOOT-INF/classes:$cache/BOOT-INF/lib/*:$cache/jars/*" Seed "$@" 2>"$cache/stderr"
