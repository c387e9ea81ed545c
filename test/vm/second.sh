#!/bin/bash
# PID 1 of a guest in its last root: mounts what a system has, runs the command with its output on one virtio port, and
# tells its exit status on another.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
. /run/guest/guest

mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
ln -s /proc/self/fd /dev/fd
hostname guest
ip link set lo up

port() { # NAME: the device of a port; it appears a moment after the driver
  local name
  while true; do
    for name in /sys/class/virtio-ports/*/name; do
      [[ -e $name && $(<"$name") == "$1" ]] && { name=${name%/name}; echo "/dev/${name##*/}"; return; }
    done
    sleep 0.01
  done
}
status=$(port status) output=$(port output)

# The server of the root keeps a descriptor for every inode the guest has cached; beyond its limit others' files fail.
while sleep 5; do
  read -r inodes _ < /proc/sys/fs/inode-nr
  (( inodes < INODES )) || echo 2 > /proc/sys/vm/drop_caches
done &

cd "$DIRECTORY" && setsid --wait bash /run/guest/command < /dev/null &> "$output"
echo "$?" > "$status"
echo b > /proc/sysrq-trigger # at once; QEMU ends instead of starting anew
sleep 10
