#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# One real Kubernetes node in mount, network, host name and IPC namespaces of its own: tests/cluster/node/node.sh COMMAND
#
#   able              say why it cannot be had here, and fail, or nothing
#   build             make Kubernetes from the Go modules pinned in go.mod (12 to 30 minutes on two cores, once)
#   start             build what is missing and start the node
#   stop              end every process of it and remove what it left
#   kubectl WORD…     as the cluster's administrator
#   apiserver         start the API server again
#   no-apiserver      stop the API server, and nothing else
#   image NAME FILE   an image of busybox, as an OCI archive
#   load FILE…        put OCI archives into the node's containerd
#   inside WORD…      a command in the node's namespaces
#
# etcd, containerd, runc, the CNI plugins and busybox are Debian's (ci/setup cluster). State is in $SCOUT_CLUSTER (/var/tmp/scout-cluster); what
# was built stays there under the hash of go.mod and go.sum.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
state=${SCOUT_CLUSTER:-/var/tmp/scout-cluster}
readonly NODE=scout-node NODE_IP=10.77.0.1 GO_MINOR=26 CGROUPS=scout-node # pods are below a cgroup of our own: this machine may be a node itself
kubernetes=$(sed -n "s#^\tk8s.io/kubernetes \(v[0-9.]*\).*#\1#p" "$here/go.mod")
bin=$state/bin-$(cat "$here"/go.mod "$here"/go.sum | sha256sum | cut -c1-16)
PATH=$PATH:/usr/local/go/bin

say() { printf 'node: %s\n' "$*" >&2; }

able() {
    local version
    version=$(cd / && GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || version=
    [[ $version =~ ^go1\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge $GO_MINOR ] && return
    [ -x "$bin/kubelet" ] && return
    echo "Kubernetes is built with Go 1.$GO_MINOR or newer; here is ${version:-none}. Install it, or name another cluster's node with KUBECONFIG."
    return 1
}

build() {
    [ ! -e "$bin/.done" ] || return 0
    able >&2
    say "building Kubernetes $kubernetes, once (12 to 30 minutes on two cores; seconds when Go's cache is warm)"
    rm -rf "$state"/bin-*
    mkdir -p "$bin"
    local set=k8s.io/component-base/version minor=${kubernetes#v1.}
    (cd "$here" && CGO_ENABLED=0 GOBIN=$bin GOTOOLCHAIN=local go install -v -trimpath -ldflags \
        "-s -w -X $set.gitVersion=$kubernetes -X $set.gitMajor=1 -X $set.gitMinor=${minor%%.*}" tool) 2>&1 |
        awk '/^go: downloading / || /^[^ ]+$/ { if (++n % 250 == 0) printf "node: %d modules and packages\n", n; fflush(); next } { print }' >&2
    touch "$bin/.done"
}

image() { # NAME FILE
    python3 "$here/image.py" "$1" "$2"
}

configure() {
    mkdir -p "$state"/{etc,log,run,pki,etcd,kubelet,cni,manifests}
    openssl genrsa -out "$state/pki/sa.key" 2048 2>/dev/null
    local who
    for who in admin kubelet controller scheduler; do
        openssl rand -hex 16 >"$state/pki/$who.token"
        cat >"$state/etc/$who.kubeconfig" <<EOF
apiVersion: v1
kind: Config
clusters: [{name: scout, cluster: {server: "https://$NODE_IP:6443", certificate-authority: $state/pki/api/apiserver.crt}}]
users: [{name: $who, user: {token: $(cat "$state/pki/$who.token")}}]
contexts: [{name: scout, context: {cluster: scout, user: $who}}]
current-context: scout
EOF
    done
    cat >"$state/etc/tokens.csv" <<EOF
$(cat "$state/pki/admin.token"),admin,1,"system:masters"
$(cat "$state/pki/kubelet.token"),system:node:$NODE,2,"system:nodes"
$(cat "$state/pki/controller.token"),system:kube-controller-manager,3
$(cat "$state/pki/scheduler.token"),system:kube-scheduler,4
EOF
    cat >"$state/etc/containerd.toml" <<EOF
version = 2
root = "$state/containerd/root"
state = "$state/containerd/state"
[grpc]
  address = "$state/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/busybox:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$state/cni"
EOF
    cat >"$state/cni/10-bridge.conflist" <<EOF
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
 {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.78.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "$state/run/ipam"}}]}
EOF
    cat >"$state/etc/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUPS
failCgroupV1: false
failSwapOn: false
maxPods: 250
containerRuntimeEndpoint: unix://$state/run/containerd.sock
staticPodPath: $state/manifests
fileCheckFrequency: 1s
resolvConf: /etc/resolv.conf
evictionHard: {memory.available: 1Mi, nodefs.available: 1%, imagefs.available: 1%}
EOF
}

inside() { nsenter -t "$(cat "$state/run/holder.pid")" -m -n -u -i -- "$@"; }

kubectl() { inside "$bin/kubectl" --kubeconfig "$state/etc/admin.kubeconfig" "$@"; }

apart() { # PID: it has left our namespaces, all at once (unshare(2)); before that, what is done inside would be done to this machine
    local theirs
    theirs=$(readlink "/proc/$1/ns/uts") && [ -n "$theirs" ] && [ "$theirs" != "$(readlink /proc/self/ns/uts)" ]
}

identity() { # PID: this boot and the process's start (proc_pid_stat(5), field 22): its number alone may be a stranger's by now
    local stat
    stat=$(cat "/proc/$1/stat") && echo "$(cat /proc/sys/kernel/random/boot_id) $(set -- ${stat##*) } && echo "${20}")"
}

launch() { # NAME COMMAND…: in the node's namespaces, until `stop`
    local name=$1
    shift
    setsid nsenter -t "$(cat "$state/run/holder.pid")" -m -n -u -i -- "$@" >>"$state/log/$name.log" 2>&1 </dev/null &
    echo $! >"$state/run/$name.pid"
}

until_ok() { # SECONDS WHAT COMMAND…
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { say "gave up waiting for $what; the logs are in $state/log"; exit 1; }
        sleep 0.2
    done
}

apiserver() {
    launch apiserver "$bin/kube-apiserver" --etcd-servers http://127.0.0.1:2379 --advertise-address $NODE_IP --bind-address 0.0.0.0 \
        --cert-dir "$state/pki/api" --token-auth-file "$state/etc/tokens.csv" --authorization-mode Node,RBAC --allow-privileged \
        --service-cluster-ip-range 10.79.0.0/24 --service-account-issuer https://scout --service-account-key-file "$state/pki/sa.key" \
        --service-account-signing-key-file "$state/pki/sa.key" --enable-admission-plugins NodeRestriction --kubelet-preferred-address-types InternalIP
}

no_apiserver() {
    local pid
    pid=$(cat "$state/run/apiserver.pid")
    [ "$(readlink "/proc/$pid/ns/uts")" = "$(readlink "/proc/$(cat "$state/run/holder.pid")/ns/uts")" ] || { say "the API server does not run"; exit 1; }
    kill -KILL "$pid" # asked to end it waits for its watches, up to a minute
    until_ok 60 "the API server to end" sh -c "! kill -0 $pid 2>&1"
}

hierarchies() { # the cgroup hierarchies' mount points: one on v2, one for each controller on v1
    if [ -e /sys/fs/cgroup/cgroup.procs ]; then echo /sys/fs/cgroup; else find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d; fi
}

network() {
    inside hostname $NODE
    inside ip link set lo up
    inside ip link add node0 type veth peer name uplink0
    inside ip link set uplink0 up
    inside ip addr add $NODE_IP/24 dev node0
    inside ip link set node0 up
    inside ip route add default via 10.77.0.254 dev node0
    inside sysctl -qw net.ipv4.ip_forward=1
}

start() {
    build
    stop
    configure
    setsid unshare -m -n -u -i sleep infinity </dev/null >/dev/null 2>&1 &
    echo $! >"$state/run/holder.pid"
    until_ok 10 "its namespaces" apart "$(cat "$state/run/holder.pid")"
    identity "$(cat "$state/run/holder.pid")" >"$state/run/holder.id"
    local file
    for file in vm/overcommit_memory kernel/panic kernel/panic_on_oops; do # the kubelet writes these for the whole machine: it gets files of its own
        cp "/proc/sys/$file" "$state/run/${file##*/}"
        inside mount --bind "$state/run/${file##*/}" "/proc/sys/$file"
    done
    network
    hierarchies | while read -r file; do mkdir -p "$file/$CGROUPS"; done
    mkdir -p /var/lib/kubelet
    inside mount -t tmpfs none /var/lib/kubelet
    inside mount --make-rshared /
    launch etcd etcd --data-dir "$state/etcd" --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380 --unsafe-no-fsync
    launch containerd containerd --config "$state/etc/containerd.toml"
    until_ok 60 etcd inside etcdctl --endpoints http://127.0.0.1:2379 endpoint health
    apiserver
    until_ok 60 containerd inside ctr --address "$state/run/containerd.sock" version
    image localhost/busybox:1 "$state/run/image.tar"
    load "$state/run/image.tar"
    until_ok 180 "the API server" kubectl get --raw /readyz
    launch controller "$bin/kube-controller-manager" --kubeconfig "$state/etc/controller.kubeconfig" --use-service-account-credentials \
        --service-account-private-key-file "$state/pki/sa.key" --root-ca-file "$state/pki/api/apiserver.crt" --leader-elect=false
    launch scheduler "$bin/kube-scheduler" --kubeconfig "$state/etc/scheduler.kubeconfig" --leader-elect=false
    launch kubelet "$bin/kubelet" --config "$state/etc/kubelet.yaml" --kubeconfig "$state/etc/kubelet.kubeconfig" --hostname-override $NODE --node-ip $NODE_IP
    until_ok 180 "the node" sh -c "'$0' kubectl get nodes | grep -qw Ready"
    until_ok 60 "the default service account" kubectl get serviceaccount default
}

load() {
    local archive
    for archive; do inside ctr --address "$state/run/containerd.sock" -n k8s.io images import "$archive" >/dev/null; done
}

ours() { # find(1)'s expression, on the pods' cgroups of every hierarchy
    hierarchies | while read -r at; do [ ! -d "$at/$CGROUPS" ] || find "$at/$CGROUPS" "$@"; done
}

gone() { # what is left of the pods' cgroups is removed; fails while something is in one
    local left
    left=$(ours -depth -type d -exec rmdir {} + 2>&1)
    [ -z "$left" ]
}

# Ends every process of the node: those in its namespaces (ours and the shims), then what is left in its pods.
stop() {
    [ -e "$state/run/holder.pid" ] || return 0
    local uts pid holder
    holder=$(cat "$state/run/holder.pid")
    uts=$(readlink "/proc/$holder/ns/uts") || uts=
    if apart "$holder" && [ "$(identity "$holder")" = "$(cat "$state/run/holder.id")" ]; then
        timeout 20 "$0" kubectl delete pods,deployments --all -A --grace-period=0 --force >/dev/null 2>&1 || true
        inside sh -c 'for n in /run/netns/cni-*; do umount "$n" && rm -f "$n"; done' 2>/dev/null || true
        for pid in $(cd /proc && echo [0-9]*); do
            [ "$(readlink "/proc/$pid/ns/uts" 2>/dev/null)" != "$uts" ] || kill -9 "$pid" 2>/dev/null || true
        done
    fi
    for pid in $(ours -name cgroup.procs -exec cat {} + | sort -u); do kill -9 "$pid" 2>/dev/null || true; done
    until_ok 20 "the pods' cgroups to go" gone
    rm -rf "$state"/{run,etcd,pki,etc,manifests,containerd}
}

case ${1:-} in
    able | build | start | stop) "$1" ;;
    apiserver) apiserver && until_ok 180 "the API server" kubectl get --raw /readyz ;;
    no-apiserver) no_apiserver ;;
    image | load | kubectl | inside) "$@" ;;
    *) sed -n '/^#   able/,/^#   inside/s/^#//p' "$0" >&2; exit 2 ;;
esac
