#!/bin/sh
# The first process of the SoftRoCE machine: makes the RDMA devices, runs the command, tells how it ended.
#
# Runs in the guest as root, from an initramfs. What the host says stands on the kernel's command line
# (`softroce.devices=N`, or `softroce.node=N` for one device on a wire that leaves the machine); the command stands in /share/.command, its output goes to the second serial port, its exit status
# to /share/.status. Kernel messages go to the first serial port.

# The port of QEMU's isa-debug-exit, and the number that makes QEMU exit with 33. A panic never writes it.
readonly EXIT_PORT=244
readonly EXIT_CLEANLY='\020'
# What a kernel says when something is wrong with it; a command that succeeded over it did not succeed.
readonly COMPLAINTS='WARNING: CPU|BUG:|Oops|refcount_t|soft lockup|blocked for more than|general protection'

setting() { # name
    sed -n "s/.*softroce\.$1=\([^ ]*\).*/\1/p" /proc/cmdline
}

mount_all() {
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t devtmpfs devtmpfs /dev
    mkdir -p /dev/shm
    mount -t tmpfs tmpfs /dev/shm
    mount -t tmpfs tmpfs /tmp
    modprobe -a virtio_pci 9p 9pnet_virtio
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share /share
}

# Several devices of one kernel, each with a wire of its own to a bridge, so that frames really leave and enter.
make_devices() { # how many
    modprobe -a crc32_generic rdma_rxe ib_uverbs rdma_ucm veth bridge
    # A frame from a sibling's address is not a forgery here, and must not be answered through the loopback device: the
    # rule that looks up local addresses is moved behind those that send each device's traffic to its own wire.
    for scope in all default; do
        echo 1 >/proc/sys/net/ipv4/conf/$scope/accept_local
        echo 0 >/proc/sys/net/ipv4/conf/$scope/rp_filter
    done
    ip link set lo up
    ip link add wire type bridge
    ip link set wire up
    ip rule add pref 100 lookup local
    ip rule del pref 0
    for device in $(seq "$1"); do make_device "$device" "$1"; done
}

# The device finds its own address among its neighbours too: packets to itself turn round inside of the driver.
make_device() { # number, how many there are
    ip link add "eth$1" address "$(hardware_address "$1")" type veth peer name "port$1"
    ip link set "port$1" master wire up
    ip link set "eth$1" up
    ip address add "10.0.0.$1/24" dev "eth$1" noprefixroute
    ip route add 10.0.0.0/24 dev "eth$1" src "10.0.0.$1" table $((100 + $1))
    ip rule add pref $((10 + $1)) oif "eth$1" lookup $((100 + $1))
    for neighbour in $(seq "$2"); do
        ip neighbour replace "10.0.0.$neighbour" lladdr "$(hardware_address "$neighbour")" dev "eth$1" nud permanent
    done
    rdma link add "rxe$1" type rxe netdev "eth$1"
}

# One device on the network card whose wire the host holds. Addresses of neighbours are asked for, as on any Ethernet.
make_device_on_wire() { # number of this machine
    modprobe -a crc32_generic rdma_rxe ib_uverbs rdma_ucm virtio_net
    ip link set lo up
    ip link set eth0 up
    ip address add "10.0.0.$1/24" dev eth0
    ip neighbour replace "10.0.0.$1" lladdr "$(hardware_address "$1")" dev eth0 nud permanent
    rdma link add rxe1 type rxe netdev eth0
    # The door to the host, if there is one.
    if [ -e /sys/class/net/eth1 ]; then
        ip link set eth1 up
        ip address add 10.0.2.15/24 dev eth1
    fi
}

hardware_address() { # number
    printf '02:00:00:00:00:%02x' "$1"
}

run_command() {
    stty -F /dev/ttyS1 raw -echo
    cd /share || return 126
    sh /share/.command </dev/null >/dev/ttyS1 2>&1
}

# What the kernel has complained about counts more than a success.
complaints() {
    dmesg | grep -E "$COMPLAINTS"
}

/bin/busybox --install -s /commands
export PATH=/bin:/sbin:/usr/bin:/commands HOME=/tmp
mount_all
echo /commands/modprobe >/proc/sys/kernel/modprobe
SOFTROCE_NODE=$(setting node)
export SOFTROCE_NODE
if [ -n "$SOFTROCE_NODE" ]; then make_device_on_wire "$SOFTROCE_NODE"; else make_devices "$(setting devices)"; fi
read -r uptime _ </proc/uptime
echo "softroce: $(ls /sys/class/infiniband) ready after $uptime s, kernel $(uname -r)"
run_command
echo $? >/share/.status
complaints >/share/.complaints
cp /proc/uptime /share/.uptime
cd /
umount /share
# shellcheck disable=SC2059 # The number is the format: printf makes the byte from it.
printf "$EXIT_CLEANLY" | dd of=/dev/port bs=1 seek=$EXIT_PORT count=1 conv=notrunc 2>/dev/null
