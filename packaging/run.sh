#!/usr/bin/env bash
# What `npm start`, `npm test`, `npm run test:kernels`, `npm run bench`, `fuzz` and `soak` do: set up what is missing, then run the thing as root.
# Arguments after `--` go to it: `npm start -- --once`, `npm test -- dist/test/unit/foo.test.js`, `npm run bench -- connect`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A plain `su` keeps them out, and npm puts the programs of packages first, among them another `nft`.
export PATH=/usr/sbin:/sbin:$PATH

# Namespaces and BPF need root. sudo resets PATH, so node goes by its full path.
readonly node=$(command -v node || true)
readonly run_as=$([[ $EUID -eq 0 ]] || echo "sudo -E")
if [[ -n $run_as ]] && ! command -v sudo >/dev/null; then
  echo "vipd: network namespaces and BPF programs need root (CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_BPF), and there is no sudo; run this as root" >&2
  exit 1
fi

# `run_tests CONFIG ARGUMENT…`
run_tests() {
  $run_as "$node" node_modules/ava/entrypoints/cli.mjs --tap --config "$@"
}

# What needs no network of namespaces beside what does: the one computes, the other waits. Its output comes last. The trap
# outlives the function, so its variables are not local.
run_all_tests() {
  local status=0
  output=$(mktemp)
  run_tests ava.unprivileged.config.js || status=$?
  run_tests ava.planes.config.js >"$output" &
  aside=$!
  trap 'kill $aside 2>/dev/null; rm -f "$output"' EXIT
  run_tests ava.privileged.config.js || status=$?
  wait "$aside" || status=$?
  trap - EXIT # at the end of a shell that exits at the first failure, killing what is over would be one
  cat "$output"
  rm -f "$output"
  return "$status"
}

mode=${1:?start, test, kernels, bench, fuzz, simulate or soak}
shift
case $mode in
  start)
    bash packaging/setup.sh
    # --mesos needs the simulated cluster, which belongs to the tests.
    [[ " $* " == *" --mesos "* ]] && exec $run_as "$node" dist/test/simulators/tutorial.js "$@"
    exec $run_as "$node" dist/ts/quickstart/quickstart.js "$@"
    ;;
  test)
    bash packaging/setup.sh --test
    mkdir -p node_modules/.cache/ava  # made here, it belongs to the user even when the tests run under sudo
    if (( $# == 0 )); then
      run_all_tests | "$node" dist/test/helpers/tap-summary.js 3
    else
      run_tests ava.config.js "$@" | "$node" dist/test/helpers/tap-summary.js
    fi
    ;;
  kernels)
    bash packaging/setup.sh --test
    exec $run_as "$node" dist/test/vm/kernels.js "$@"
    ;;
  bench)
    bash packaging/setup.sh --test
    exec $run_as "$node" dist/test/bench/bench.js "$@"
    ;;
  simulate)
    bash packaging/setup.sh
    exec "$node" dist/test/simulators/simulate.js "$@"
    ;;
  fuzz)
    bash packaging/setup.sh --test
    exec $run_as "$node" dist/test/fuzz/fuzz.js "$@"
    ;;
  soak)
    bash packaging/setup.sh --test
    exec $run_as "$node" dist/test/soak/soak.js "$@"
    ;;
  *)
    echo "usage: run.sh start|test|kernels|bench|fuzz|simulate|soak [ARGUMENT…]" >&2
    exit 2
    ;;
esac
