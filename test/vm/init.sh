#!/bin/busybox sh
# PID 1 of a guest, in the kernel's first root: makes the host's root the guest's, with a throw-away layer on top, and
# goes on there in second.sh. /guest says what to mount; it is made for every run.
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
exec > /dev/console 2>&1
/bin/busybox --install -s /bin
export PATH=/bin
. /guest

mount -t sysfs sys /sys
while read -r module; do insmod "$module"; done < /modules.order

# A directory of the host, and where it is in the guest.
overlay() { # TAG DIRECTORY
  local below=/layers/$1 above=/layers/top/$1
  mkdir -p "$below" "$above/upper" "$above/work" "$2"
  mount -t virtiofs -o ro,noatime "$1" "$below" &&
    mount -t overlay -o "lowerdir=$below,upperdir=$above/upper,workdir=$above/work" overlay "$2"
}

mkdir -p /layers/top
mount -t tmpfs -o size=60% top /layers/top
for share in $SHARES; do overlay "${share%%:*}" "/new${share#*:}" || echo "init: no $share" >&2; done
for share in $WRITABLE; do mount -t virtiofs -o noatime "${share%%:*}" "/new${share#*:}"; done

mount -t tmpfs -o mode=755 run /new/run
mkdir -p /new/run/guest /new/run/netns "/new/lib/modules/$RELEASE"
cp /guest /command /second /new/run/guest/
mount --bind "$MODULES" "/new/lib/modules/$RELEASE"
[ -e /new/sbin/modprobe ] || ln -s "$TOOLS/modprobe" /new/sbin/modprobe
mount --move /dev /new/dev
mount --move /proc /new/proc
mount --move /sys /new/sys
exec switch_root /new /bin/bash /run/guest/second
