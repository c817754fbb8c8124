#!/usr/bin/env bash
# kafka.sh: a real Apache Kafka (KRaft, no ZooKeeper) on loopback, for tests.
#
#   kafka.sh fetch                 download the broker into the cache
#   eval "$(kafka.sh start)"       start (or restart what is down), print exports
#   kafka.sh env | status          exports again; one line a broker
#   kafka.sh stop                  SIGTERM by pid file, SIGKILL after 20 s
#   kafka.sh wipe                  stop and delete the data
#
# Options of start (kept from the first start until wipe):
#   --name NAME      several clusters beside each other (default: default)
#   --brokers N      combined broker+controller nodes (default 1)
#   --heap SIZE      per broker (default 256m)
#   --host ADDR      address of the client listeners (default 127.0.0.1; e.g. a veth)
#   --tls            extra listener TLS, with a CA made here
#   --sasl           extra listener SASL_SSL: SCRAM-SHA-256/-512 and PLAIN
#   --acl            StandardAuthorizer; the plain listener stays super-user
#   --user U:P       SASL user (repeatable; default xcapa:xcapa-secret)
#   --log-dir DIR    data on this directory (broker N uses DIR/N), e.g. a tmpfs
#   --set KEY=VALUE  any server.properties line (repeatable)
# Broker N of a cluster: pid in $XCAPA_TEST_KAFKA_DIR/N/pid, log in N/log.
# As root the brokers run as the user xcapa-test, created when missing.
#
# Environment: XCAPA_SERVERS (cache), XCAPA_SERVERS_RUN (state; as root it must
# be reachable for the unprivileged user: default /var/tmp/xcapa-servers),
# XCAPA_KAFKA_VERSION, JAVA_HOME.
set -euo pipefail

version=${XCAPA_KAFKA_VERSION:-4.1.1}
log4j=2.25.1
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
cache=${XCAPA_SERVERS:-${XDG_CACHE_HOME:-$HOME/.cache}/xcapa-servers}
root=$([ "$(id -u)" = 0 ] && echo 1 || :)
run=${XCAPA_SERVERS_RUN:-$([ -n "$root" ] && echo /var/tmp/xcapa-servers || echo "$cache/run")}
dist=$cache/kafka-$version
user=xcapa-test
java=${JAVA_HOME:+$JAVA_HOME/bin/}java

die() { echo "kafka.sh: $*" >&2; exit 1; }

cmd=${1:-}; [ $# -gt 0 ] && shift
name=default brokers=1 heap=256m host=127.0.0.1 tls= sasl= acl= logdir=
users=() sets=()
while [ $# -gt 0 ]; do
  case $1 in
    --name) name=$2; shift ;;
    --brokers) brokers=$2; shift ;;
    --heap) heap=$2; shift ;;
    --host) host=$2; shift ;;
    --tls) tls=1 ;;
    --sasl) sasl=1 ;;
    --acl) acl=1 ;;
    --user) users+=("$2"); shift ;;
    --log-dir) logdir=$2; shift ;;
    --set) sets+=("$2"); shift ;;
    *) die "unknown option $1" ;;
  esac
  shift
done
[ ${#users[@]} -gt 0 ] || users=(xcapa:xcapa-secret)
dir=$run/kafka-$name
libs=$dir/libs

fetch() {
  [ -e "$dist/.complete" ] && return
  command -v mvn >/dev/null || die "needs Maven (mvn)"
  local tmp; mkdir -p "$cache"; tmp=$(mktemp -d "$cache/fetch.XXXXXX")
  cat >"$tmp/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>xcapa</groupId><artifactId>servers</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>$log4j</version></dependency>
</dependencies></project>
POM
  mvn -q -B -Dstyle.color=never -f "$tmp/pom.xml" $plugin:copy-dependencies -DoutputDirectory="$tmp/jars" >&2
  ls "$tmp/jars"/kafka_2.13-"$version".jar >/dev/null
  touch "$tmp/jars/.complete"
  rm -rf "$dist"; mv "$tmp/jars" "$dist"; rm -rf "$tmp"
}

# Words that make a command run as the user of the brokers. Not a function: the
# pid of a command in the background must be its own.
unpriv=()
[ -z "$root" ] || unpriv=(setpriv --reuid=$user --regid=$user --clear-groups --)

# A port below the ephemeral range that nothing listens on.
declare -A taken=()
free_port() {
  local p
  while :; do
    p=$((15000 + RANDOM % 15000))
    [ -z "${taken[$p]:-}" ] || continue
    (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null && continue
    taken[$p]=1; port=$p; return
  done
}

# The pid of broker $1 if it is alive and still ours.
pid_of() {
  local p; p=$(cat "$dir/$1/pid" 2>/dev/null) || return 1
  grep -qsF "$dir/$1/server.properties" "/proc/$p/cmdline" && echo "$p"
}

certs() { # CA and one server certificate for localhost, PEM
  local d=$dir/tls; mkdir -p "$d"
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=xcapa test CA" \
    -keyout "$d/ca.key" -out "$d/ca.pem" 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" \
    -keyout "$d/server.key" -out "$d/server.csr" 2>/dev/null
  openssl x509 -req -in "$d/server.csr" -CA "$d/ca.pem" -CAkey "$d/ca.key" -CAcreateserial -days 3650 \
    -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:$host") -out "$d/server.pem" 2>/dev/null
  # Kafka wants key (PKCS#8) and chain in one file
  cat "$d/server.key" "$d/server.pem" "$d/ca.pem" >"$d/keystore.pem"
  [ -z "$root" ] || chown $user: "$d/keystore.pem"
}

configure() {
  mkdir -p "$dir"
  # The jars must be readable for the unprivileged user: hard links where cache
  # and state share a file system, a copy (43 MB) elsewhere.
  cp -al "$dist" "$libs" 2>/dev/null || { rm -rf "$libs"; cp -a "$dist" "$libs"; }
  if [ -n "$root" ] && ! id $user >/dev/null 2>&1; then
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin $user
  fi
  local i voters="" plain=() ctl=() tlsp=() saslp=()
  for ((i = 1; i <= brokers; i++)); do
    free_port; plain[i]=$port; free_port; ctl[i]=$port
    free_port; tlsp[i]=$port; free_port; saslp[i]=$port
    voters+=${voters:+,}$i@127.0.0.1:${ctl[i]}
  done
  [ -z "$tls$sasl" ] || certs
  local rf=$((brokers < 3 ? brokers : 3)) scram=() jaas="" u
  for u in "${users[@]}"; do
    scram+=(--add-scram "SCRAM-SHA-512=[name=${u%%:*},password=${u#*:}]"
            --add-scram "SCRAM-SHA-256=[name=${u%%:*},password=${u#*:}]")
    jaas+=" user_${u%%:*}=\"${u#*:}\""
  done
  [ -n "$sasl" ] || scram=()
  cat >"$dir/log4j2.xml" <<'XML'
<Configuration status="WARN"><Appenders><Console name="c"><PatternLayout pattern="%d %p %c{1} %m%n"/></Console></Appenders>
<Loggers><Root level="WARN"><AppenderRef ref="c"/></Root></Loggers></Configuration>
XML
  local id; id=$(head -c16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d =)
  for ((i = 1; i <= brokers; i++)); do
    local b=$dir/$i data=${logdir:+$logdir/$i} l m
    data=${data:-$b/data}
    mkdir -p "$b" "$data"
    l=PLAINTEXT://$host:${plain[i]}
    m=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
    if [ -n "$tls" ]; then l+=,TLS://$host:${tlsp[i]}; m+=,TLS:SSL; fi
    if [ -n "$sasl" ]; then l+=,SASL://$host:${saslp[i]}; m+=,SASL:SASL_SSL; fi
    {
      cat <<CONF
process.roles=broker,controller
node.id=$i
controller.quorum.voters=$voters
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=$l,CONTROLLER://127.0.0.1:${ctl[i]}
advertised.listeners=$l
listener.security.protocol.map=$m
log.dirs=$data
default.replication.factor=$rf
min.insync.replicas=$((rf > 1 ? rf - 1 : 1))
offsets.topic.replication.factor=$rf
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$rf
transaction.state.log.num.partitions=4
transaction.state.log.min.isr=$((rf > 1 ? rf - 1 : 1))
share.coordinator.state.topic.replication.factor=$rf
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=4194304
CONF
      if [ -n "$tls$sasl" ]; then cat <<CONF
ssl.keystore.type=PEM
ssl.keystore.location=$dir/tls/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=$dir/tls/ca.pem
CONF
      fi
      if [ -n "$sasl" ]; then cat <<CONF
sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required$jaas;
CONF
      fi
      if [ -n "$acl" ]; then cat <<CONF
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
CONF
      fi
      [ ${#sets[@]} -eq 0 ] || printf '%s\n' "${sets[@]}"
    } >"$b/server.properties"
    [ -z "$root" ] || chown -R $user: "$b" "$data"
    ${unpriv[@]+"${unpriv[@]}"} "$java" -Xmx96m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dlog4j2.configurationFile="$dir/log4j2.xml" -cp "$libs/*" \
      kafka.tools.StorageTool format -t "$id" -c "$b/server.properties" ${scram[@]+"${scram[@]}"} >"$b/format.log" 2>&1 ||
      { cat "$b/format.log" >&2; rm -rf "$dir"; die "format failed"; }
    echo "$host/${plain[i]}" >"$b/port"
  done
  {
    echo "export XCAPA_TEST_KAFKA=$(for ((i = 1; i <= brokers; i++)); do printf '%s%s:%s' "$([ $i -gt 1 ] && echo ,)" "$host" "${plain[i]}"; done)"
    [ -z "$tls" ] || echo "export XCAPA_TEST_KAFKA_TLS=$host:${tlsp[1]}"
    [ -z "$sasl" ] || echo "export XCAPA_TEST_KAFKA_SASL=$host:${saslp[1]} XCAPA_TEST_KAFKA_USER=${users[0]%%:*} XCAPA_TEST_KAFKA_PASSWORD=${users[0]#*:}"
    [ -z "$tls$sasl" ] || echo "export XCAPA_TEST_KAFKA_CA=$dir/tls/ca.pem"
    echo "export XCAPA_TEST_KAFKA_DIR=$dir"
  } >"$dir/env"
  echo "$heap" >"$dir/heap"
}

start() {
  fetch
  if [ -e "$dir/env" ]; then [ -z "${logdir}${tls}${sasl}${acl}" ] || echo "kafka.sh: $name exists, its first options stay (wipe to change)" >&2
  else rm -rf "$dir"; configure; fi
  local b i started=() t
  for b in "$dir"/[0-9]*/; do
    i=$(basename "$b"); pid_of "$i" >/dev/null && continue
    # setsid and closed descriptors: outlives the caller and its pipes
    ${unpriv[@]+"${unpriv[@]}"} setsid "$java" -Xms24m -Xmx"$(cat "$dir/heap")" -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
      -Djava.awt.headless=true -Dlog4j2.configurationFile="$dir/log4j2.xml" -cp "$libs/*" \
      kafka.Kafka "$dir/$i/server.properties" </dev/null >>"$dir/$i/log" 2>&1 &
    echo $! >"$dir/$i/pid"; started+=("$i")
  done
  for i in ${started[@]+"${started[@]}"}; do
    for ((t = 0; ; t++)); do
      # kill -0, not pid_of: the child may not have become java yet
      kill -0 "$(cat "$dir/$i/pid")" 2>/dev/null || { tail -n 20 "$dir/$i/log" >&2; die "broker $i ended"; }
      (exec 3<>"/dev/tcp/$(cat "$dir/$i/port")") 2>/dev/null && break
      [ $t -lt 600 ] || die "broker $i: no listener after 60 s"
      sleep 0.1
    done
  done
  cat "$dir/env"
}

stop() {
  local b i p t
  for b in "$dir"/[0-9]*/; do
    [ -d "$b" ] || continue
    i=$(basename "$b"); p=$(pid_of "$i") || continue; kill "$p"; kill -CONT "$p" 2>/dev/null || :
  done
  for b in "$dir"/[0-9]*/; do
    [ -d "$b" ] || continue
    i=$(basename "$b")
    for ((t = 0; t < 200; t++)); do pid_of "$i" >/dev/null || break; sleep 0.1; done
    if p=$(pid_of "$i"); then kill -9 "$p"; fi
    rm -f "$dir/$i/pid"
  done
}

case $cmd in
  fetch) fetch ;;
  start) start ;;
  env) cat "$dir/env" ;;
  status) for b in "$dir"/[0-9]*/; do i=$(basename "$b"); echo "broker $i $(tr / : <"$b/port") pid $(pid_of "$i" || echo down)"; done ;;
  stop) stop ;;
  wipe) stop; [ -z "$dir" ] || rm -rf "$dir" ;;
  *) sed -n '2,/^set /p' "$0" | sed '$d; s/^# \{0,1\}//' >&2; exit 2 ;;
esac
