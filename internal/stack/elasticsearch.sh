#!/usr/bin/env bash
# elasticsearch.sh: a real Elasticsearch node on loopback, for tests.
#
#   elasticsearch.sh fetch                 download the server into the cache
#   eval "$(elasticsearch.sh start)"       start (or restart if down), print exports
#   elasticsearch.sh env | status          exports again; one line
#   elasticsearch.sh stop                  SIGTERM by pid file, SIGKILL after 30 s
#   elasticsearch.sh wipe                  stop and delete data and settings
#
# Options of start (kept from the first start until wipe):
#   --name NAME      several nodes beside each other (default: default)
#   --heap SIZE      default 512m
#   --host ADDR      address to listen on (default 127.0.0.1; e.g. a veth)
#   --security       users, roles, API keys: file-realm users, see --user
#   --tls            HTTPS with a CA made here (implies --security)
#   --user U:P:ROLE  file-realm user (repeatable); always there: admin:xcapa-secret:superuser
#   --role FILE      roles.yml to use (with --security)
#   --data DIR       path.data, e.g. a tmpfs
#   --set KEY=VALUE  any elasticsearch.yml line (repeatable)
# Pid in $XCAPA_TEST_ELASTICSEARCH_DIR/pid, log in log.
# As root the server runs as the user xcapa-test, created when missing.
#
# Environment: XCAPA_SERVERS (cache), XCAPA_SERVERS_RUN (state; as root it must
# be reachable for the unprivileged user: default /var/tmp/xcapa-servers),
# XCAPA_ELASTICSEARCH_VERSION, ES_JAVA_HOME or JAVA_HOME.
set -euo pipefail

version=${XCAPA_ELASTICSEARCH_VERSION:-8.19.9}
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
cache=${XCAPA_SERVERS:-${XDG_CACHE_HOME:-$HOME/.cache}/xcapa-servers}
root=$([ "$(id -u)" = 0 ] && echo 1 || :)
run=${XCAPA_SERVERS_RUN:-$([ -n "$root" ] && echo /var/tmp/xcapa-servers || echo "$cache/run")}
dist=$cache/elasticsearch-$version
esuser=xcapa-test

die() { echo "elasticsearch.sh: $*" >&2; exit 1; }

cmd=${1:-}; [ $# -gt 0 ] && shift
name=default heap=512m host=127.0.0.1 security= tls= data= roles=
users=() sets=()
while [ $# -gt 0 ]; do
  case $1 in
    --name) name=$2; shift ;;
    --heap) heap=$2; shift ;;
    --host) host=$2; shift ;;
    --security) security=1 ;;
    --tls) tls=1 security=1 ;;
    --user) users+=("$2"); shift ;;
    --role) roles=$2; shift ;;
    --data) data=$2; shift ;;
    --set) sets+=("$2"); shift ;;
    *) die "unknown option $1" ;;
  esac
  shift
done
dir=$run/elasticsearch-$name
home=$dir/home

fetch() {
  [ -e "$dist/.complete" ] && return
  command -v mvn >/dev/null || die "needs Maven (mvn)"
  local tmp; mkdir -p "$cache"; tmp=$(mktemp -d "$cache/fetch.XXXXXX")
  (cd "$tmp" && mvn -q -B -Dstyle.color=never $plugin:unpack -DoutputDirectory="$tmp" -Dproject.basedir="$tmp" \
    -Dartifact=org.elasticsearch.distribution.integ-test-zip:elasticsearch:"$version":zip) >&2
  local d=$tmp/elasticsearch-$version
  [ -d "$d/lib" ] || die "unexpected archive"
  chmod 755 "$d"/bin/*
  touch "$d/.complete"
  rm -rf "$dist"; mv "$d" "$dist"; rm -rf "$tmp"
}

unpriv() { # as the user that runs the server
  if [ -n "$root" ]; then setpriv --reuid=$esuser --regid=$esuser --clear-groups -- "$@"; else "$@"; fi
}

java_home() {
  if [ -n "${ES_JAVA_HOME:-}" ]; then echo "$ES_JAVA_HOME"
  elif [ -n "${JAVA_HOME:-}" ]; then echo "$JAVA_HOME"
  else dirname "$(dirname "$(readlink -f "$(command -v java)")")"; fi
}

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

pid() { # alive and still ours
  local p; p=$(cat "$dir/pid" 2>/dev/null) || return 1
  grep -qsF "$home" "/proc/$p/cmdline" && echo "$p"
}

certs() {
  local d=$dir/config/tls; mkdir -p "$d"
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=xcapa test CA" \
    -keyout "$d/ca.key" -out "$d/ca.pem" 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" \
    -keyout "$d/server.key" -out "$d/server.csr" 2>/dev/null
  openssl x509 -req -in "$d/server.csr" -CA "$d/ca.pem" -CAkey "$d/ca.key" -CAcreateserial -days 3650 \
    -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:$host") -out "$d/server.pem" 2>/dev/null
}

# The archive has no analysis-common module, which the index behind API keys
# and native users asks for ("Unknown filter type [pattern_capture]"). These
# stand-ins are enough for it. Needs javac; without it only file users work.
plugin() {
  command -v "$(java_home)/bin/javac" >/dev/null || { echo "elasticsearch.sh: no javac: no API keys, no native users" >&2; return; }
  local d=$home/plugins/xcapa-test-filters t; t=$(mktemp -d "$dir/plugin.XXXXXX"); mkdir -p "$d" "$t/out"
  cat >"$t/TestFilters.java" <<'JAVA'
import java.util.Map;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.standard.StandardTokenizer;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.index.analysis.TokenizerFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;

public class TestFilters extends Plugin implements AnalysisPlugin {
  private static AnalysisProvider<TokenFilterFactory> same() {
    return (index, env, name, settings) -> new TokenFilterFactory() {
      @Override public String name() { return name; }
      @Override public TokenStream create(TokenStream in) { return in; }
    };
  }
  @Override public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
    return Map.of("pattern_capture", same(), "unique", same());
  }
  @Override public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
    return Map.of("uax_url_email", (index, env, name, settings) -> TokenizerFactory.newFactory(name, StandardTokenizer::new));
  }
}
JAVA
  "$(java_home)/bin/javac" -nowarn -cp "$home/lib/*" -d "$t/out" "$t/TestFilters.java" >&2
  "$(java_home)/bin/jar" cf "$d/test-filters.jar" -C "$t/out" .
  printf '%s\n' name=xcapa-test-filters description=test version=1 java.version=17 \
    elasticsearch.version="$version" classname=TestFilters >"$d/plugin-descriptor.properties"
  rm -rf "$t"
}

configure() {
  mkdir -p "$dir/config" "${data:=$dir/data}" "$dir/logs" "$dir/tmp"
  # The home must be readable for the unprivileged user: hard links where
  # cache and state share a file system, a copy (180 MB) elsewhere.
  cp -al "$dist" "$home" 2>/dev/null || { rm -rf "$home"; cp -a "$dist" "$home"; }
  free_port; local http=$port; free_port; local transport=$port
  [ -z "$tls" ] || certs
  [ -z "$security" ] || plugin
  {
    cat <<CONF
cluster.name: xcapa-$name
node.name: $name
path.data: $data
path.logs: $dir/logs
network.host: $host
http.port: $http
transport.port: $transport
discovery.type: single-node
xpack.security.enabled: $([ -n "$security" ] && echo true || echo false)
CONF
    [ -z "$security" ] || echo "xpack.security.authc.realms.file.file1.order: 0"
    [ -z "$tls" ] || cat <<CONF
xpack.security.http.ssl.enabled: true
xpack.security.http.ssl.key: tls/server.key
xpack.security.http.ssl.certificate: tls/server.pem
xpack.security.http.ssl.certificate_authorities: tls/ca.pem
CONF
    local s k
    for s in ${sets[@]+"${sets[@]}"}; do
      k=${s%%=*}; echo "$k: ${s#*=}"
    done
  } >"$dir/config/elasticsearch.yml"
  # Without java.io.tmpdir of its own the server takes /tmp for readable and
  # refuses to run from a home below it ("invalid file entitlement").
  printf '%s\n' "-Xms$heap" "-Xmx$heap" -XX:+UseG1GC '-Djava.io.tmpdir=${ES_TMPDIR}' >"$dir/config/jvm.options"
  cat >"$dir/config/log4j2.properties" <<'CONF'
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] [%node_name]%marker %m%n
rootLogger.level = warn
logger.a.name = org.elasticsearch.entitlement
logger.a.level = error
rootLogger.appenderRef.console.ref = console
CONF
  if [ -n "$security" ]; then
    if [ -n "$roles" ]; then cp "$roles" "$dir/config/roles.yml"; else : >"$dir/config/roles.yml"; fi
    : >"$dir/config/users"; : >"$dir/config/users_roles"
  fi
  [ -z "$root" ] || {
    id $esuser >/dev/null 2>&1 || useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin $esuser
    chown -R $esuser: "$dir/config" "$data" "$dir/logs" "$dir/tmp"
  }
  if [ -n "$security" ]; then
    local u f
    for u in admin:xcapa-secret:superuser ${users[@]+"${users[@]}"}; do
      IFS=: read -r -a f <<<"$u"
      unpriv env ES_JAVA_HOME="$(java_home)" ES_PATH_CONF="$dir/config" ES_TMPDIR="$dir/tmp" CLI_JAVA_OPTS="-XX:TieredStopAtLevel=1" \
        "$home/bin/elasticsearch-users" useradd "${f[0]}" -p "${f[1]}" -r "${f[2]}" >&2 || { rm -rf "$dir"; die "user ${f[0]}"; }
    done
  fi
  {
    echo "export XCAPA_TEST_ELASTICSEARCH=http$([ -n "$tls" ] && echo s || :)://$host:$http"
    [ -z "$security" ] || echo "export XCAPA_TEST_ELASTICSEARCH_USER=admin XCAPA_TEST_ELASTICSEARCH_PASSWORD=xcapa-secret"
    [ -z "$tls" ] || { cp "$dir/config/tls/ca.pem" "$dir/ca.pem"; echo "export XCAPA_TEST_ELASTICSEARCH_CA=$dir/ca.pem"; }
    echo "export XCAPA_TEST_ELASTICSEARCH_DIR=$dir"
  } >"$dir/env"
  echo "$host/$http" >"$dir/port"
}

start() {
  fetch
  if [ ! -e "$dir/env" ]; then rm -rf "$dir"; configure; fi
  if ! pid >/dev/null; then
    rm -f "$dir/pid" "$dir/tmp/pid"
    # The launcher (a JVM of its own, 80 MB) starts the server and stays as
    # its parent; the server's pid is what counts and ends up in the file.
    cd "$dir/tmp"
    unpriv setsid env -u JAVA_HOME ES_JAVA_HOME="$(java_home)" ES_PATH_CONF="$dir/config" ES_TMPDIR="$dir/tmp" \
      CLI_JAVA_OPTS="-XX:TieredStopAtLevel=1 -Xmx32m" \
      "$home/bin/elasticsearch" -p "$dir/tmp/pid" </dev/null >>"$dir/log" 2>&1 &
    local launcher=$! t
    for ((t = 0; ; t++)); do
      if [ -s "$dir/tmp/pid" ]; then cp "$dir/tmp/pid" "$dir/pid"; fi
      (exec 3<>"/dev/tcp/$(cat "$dir/port")") 2>/dev/null && pid >/dev/null && break
      kill -0 $launcher 2>/dev/null || { tail -n 30 "$dir/log" >&2; die "the server ended"; }
      [ $t -lt 900 ] || die "no listener after 90 s"
      sleep 0.1
    done
  fi
  cat "$dir/env"
}

stop() {
  local p t
  p=$(pid) || return 0
  kill "$p"; kill -CONT "$p" 2>/dev/null || :
  for ((t = 0; t < 300; t++)); do pid >/dev/null || break; sleep 0.1; done
  if p=$(pid); then kill -9 "$p"; fi
  rm -f "$dir/pid"
}

case $cmd in
  fetch) fetch ;;
  start) start ;;
  env) cat "$dir/env" ;;
  status) echo "elasticsearch $(tr / : <"$dir/port") pid $(pid || echo down)" ;;
  stop) stop ;;
  wipe) stop; rm -rf "$dir" ;;
  *) sed -n '2,/^set /p' "$0" | sed '$d; s/^# \{0,1\}//' >&2; exit 2 ;;
esac
