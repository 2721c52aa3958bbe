#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The guest's first process once its root is there: mounts what a node has, runs /scout/.guest/command in /scout,
# leaves the status in /results/status and switches the machine off. Promises nothing about the network: loopback alone is up.
# RLIMIT_MEMLOCK stays at the kernel's 64 KiB on purpose: below 5.11 maps are charged to it, and the sensor must cope.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb PYTHONUNBUFFERED=1

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null || mount -t debugfs debugfs /sys/kernel/debug
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t ext4 /dev/vdc /results

ln -sfn /proc/self/fd /dev/fd
mkdir -p /run/lock /lib/modules
ln -sfn "/scout/.guest/modules/$(uname -r)" "/lib/modules/$(uname -r)"
echo scout-guest > /proc/sys/kernel/hostname
echo "127.0.0.1 localhost scout-guest" > /etc/hosts
ip link set lo up

echo "guest: $(uname -r), $(nproc) processors, up $(cut -d ' ' -f 1 /proc/uptime) s"
cd /scout || exit 1
sh .guest/command < /dev/null
echo $? > /results/status
echo "guest: done with status $(cat /results/status), up $(cut -d ' ' -f 1 /proc/uptime) s"
cd /
umount /results
sync
echo o > /proc/sysrq-trigger
sleep 60
