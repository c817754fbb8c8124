#!/bin/sh
# test.sh [ARGUMENT...]: run the tests against real servers, with the arguments
# for go test ($GO is the go command). The last line says what was tested
# against what.
set -u
cd "$(dirname "$0")" || exit 1

nothing() {
  echo "test-stack: NOTHING REAL WAS TESTED: $1"
  exit 0
}

command -v "${JAVA_HOME:+$JAVA_HOME/bin/}java" >/dev/null || nothing "there is no java (17 or later)"
for server in kafka elasticsearch; do
  ./$server.sh fetch || nothing "Maven did not fetch $server (mvn and a network are needed once)"
done
if [ "$(id -u)" = 0 ] && unshare --net true 2>/dev/null; then export XCAPA_TEST_ROOT=1; fi

against="Apache Kafka ${XCAPA_KAFKA_VERSION:-4.1.1} and Elasticsearch ${XCAPA_ELASTICSEARCH_VERSION:-8.19.9}"
if "${GO:-go}" test -count=1 -timeout 15m -tags stack -v "$@" .; then
  echo "test-stack: passed against $against"
else
  echo "test-stack: FAILED against $against"
  exit 1
fi
