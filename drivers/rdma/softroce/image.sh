#!/usr/bin/env bash
# Builds the kernel and the initramfs of the SoftRoCE machine into a folder: image.sh FOLDER PACKAGES.
#
# Everything comes from Debian packages that are downloaded (into the folder PACKAGES, and not again when they are there)
# and unpacked; nothing is installed and root is not needed. FOLDER then holds `vmlinux`, `initramfs.cpio` and `kernel-version`. The tools that run here come from the packages
# too (a static busybox), so that a host needs apt-get, dpkg-deb, readelf and a decompressor and no more.

set -euo pipefail

readonly ARCHITECTURE=x86_64-linux-gnu
# Depends on the kernel of the release; of Debian 12 that is 6.1. Not the cloud kernel: it has no rdma_rxe.
readonly KERNEL_META_PACKAGE=linux-image-amd64
# Debian's stable 6.12 stalls for milliseconds in rxe: measured, and why another kernel is worth a warning.
readonly KERNEL_TRIED=6.1
readonly PACKAGES=(
    busybox-static  # the guest's commands, and depmod and cpio for this script
    dash            # the guest's shell: busybox's prefers its own `ip`, which makes no veth pairs
    iproute2        # ip, rdma, tc
    libc6 libgcc-s1 # what a Rust program links
    libibverbs1 ibverbs-providers
    libbpf1 libbsd0 libcap2 libelf1 libmd0 libmnl0 libnl-3-200 libnl-route-3-200 libxtables12 zlib1g
)
# crc32_generic stands first because no dependency names it: rxe asks the kernel's crypto interface for "crc32".
readonly MODULES=(
    crc32_generic crc32-pclmul rdma_rxe ib_uverbs rdma_ucm veth bridge sch_netem
    virtio_pci virtio_net 9p 9pnet_virtio
)
# Files of the guest, relative to the root of the unpacked packages, with the libraries they need. Provider and stubs of
# old names of libc's parts are opened at run time, so nothing else asks for them.
readonly PROGRAMS=(bin/dash bin/ip sbin/tc usr/bin/rdma)
readonly LIBRARIES=(libibverbs.so.1 libibverbs/librxe-rdmav34.so libgcc_s.so.1 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1)

fail() {
    echo "softroce-vm: $*" >&2
    exit 1
}

need_tools() {
    local tool
    for tool in apt-get apt-cache dpkg-deb readelf xz od dd awk; do
        command -v "$tool" >/dev/null || fail "missing tool $tool (this needs Debian 12 or a relative; readelf is in binutils)"
    done
}

# The package with the files, behind a chain of packages that only depend on the next.
kernel_package() {
    local package=$KERNEL_META_PACKAGE next
    while next=$(apt-cache depends "$package" 2>/dev/null | awk '/Depends: linux-image-/ { print $2; exit }') && [ -n "$next" ]; do
        package=$next
    done
    [ "$package" != "$KERNEL_META_PACKAGE" ] || fail "apt knows no $KERNEL_META_PACKAGE (run apt-get update; this needs Debian)"
    echo "$package"
}

# Prints the names of the files that it leaves in the folder; older versions may lie beside them.
download() { # folder
    local kernel sandbox
    kernel=$(kernel_package)
    case $kernel in
        linux-image-"$KERNEL_TRIED".*) ;;
        *) echo "softroce-vm: warning: $kernel was not tried, $KERNEL_TRIED of Debian 12 was" >&2 ;;
    esac
    # The user that apt would otherwise change to may not write here.
    sandbox=APT::Sandbox::User=$(id -un)
    (cd "$1" && apt-get -qq -o "$sandbox" download "$kernel" "${PACKAGES[@]}" >&2) ||
        fail "could not download the packages (run apt-get update as root first)"
    apt-get -qq -o "$sandbox" download --print-uris "$kernel" "${PACKAGES[@]}" | awk '{ print $2 }'
}

# The kernel as ELF, which QEMU starts at its PVH note: an emulated guest would take seconds to decompress it.
extract_kernel() { # bzImage, where to put it
    local image=$1 setup_sectors offset length
    setup_sectors=$(field "$image" 497 1)
    offset=$(((setup_sectors + 1) * 512 + $(field "$image" 584 4)))
    length=$(field "$image" 588 4)
    # The decompressors complain about the size that the kernel's build appends to the payload, after all is written.
    dd if="$image" bs=1M iflag=skip_bytes,count_bytes skip="$offset" count="$length" status=none |
        { case $(od -An -tx1 -j"$offset" -N4 "$image" | tr -d ' ') in
            fd377a58) xz -dc ;;
            28b52ffd) zstd -dcq ;;
            1f8b*) gzip -dc ;;
            *) fail "the kernel is compressed in a way this script does not know" ;;
        esac; } >"$2" 2>/dev/null || true
    [ "$(od -An -c -j1 -N3 "$2" | tr -d ' ')" = ELF ] || fail "no ELF kernel found in $image"
}

# A number of the header of a bzImage (Documentation/x86/boot.rst): payload_offset is at 584, payload_length at 588.
field() { # file, offset, bytes
    od -An -tu"$3" -j"$2" -N"$3" "$1" | tr -d ' '
}

# Copies a file and, once each, the libraries that it names. The links among them are relative: none leads to the host.
copy_with_libraries() { # from root, path, to root
    local from=$1 path=$2 to=$3 library found
    [ ! -e "$to/$path" ] || return 0
    mkdir -p "$to/$(dirname "$path")"
    cp -L "$from/$path" "$to/$path"
    for library in $(readelf -d "$from/$path" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
        found=$(library_path "$from" "$library")
        copy_with_libraries "$from" "$found" "$to"
    done
}

library_path() { # root, name
    local folder
    for folder in "lib/$ARCHITECTURE" "usr/lib/$ARCHITECTURE" lib64; do
        [ ! -e "$1/$folder/$2" ] || { echo "$folder/$2" && return; }
    done
    fail "no package of the list has the library $2"
}

# Copies the wanted modules with all they depend on; modules.dep names the whole closure of each.
copy_modules() { # from root, kernel version, to root
    local from=$1/lib/modules/$2 to=$3/lib/modules/$2 module path
    for module in "${MODULES[@]}"; do
        awk -v wanted="${module//-/_}" -F'[: ]+' '{ name = $1; sub(/.*\//, "", name); sub(/\.ko.*/, "", name); gsub(/-/, "_", name) }
            name == wanted { for (i = 1; i <= NF; i++) if ($i != "") print $i }' "$from/modules.dep"
    done | sort -u | while read -r path; do
        mkdir -p "$to/$(dirname "$path")"
        case $path in
            *.xz) xz -dc "$from/$path" >"$to/${path%.xz}" ;;
            *) cp "$from/$path" "$to/$path" ;;
        esac
    done
    cp "$from"/modules.{order,builtin} "$to/"
}

build() { # work folder, result folder, packages folder
    local work=$1 result=$2 packages=$3 root=$1/root guest=$1/guest here version package program library
    here=$(dirname "${BASH_SOURCE[0]}")
    mkdir -p "$packages" "$root" "$guest"/{bin,commands,proc,sys,dev,tmp,run,share,etc/libibverbs.d,lib64}
    download "$packages" >"$work/names"
    while read -r package; do dpkg-deb -x "$packages/$package" "$root"; done <"$work/names"
    local busybox=$root/bin/busybox
    version=$(basename "$root"/lib/modules/*)
    extract_kernel "$root/boot/vmlinuz-$version" "$work/vmlinux"
    "$busybox" depmod -b "$root" "$version"
    copy_modules "$root" "$version" "$guest"
    "$busybox" depmod -b "$guest" "$version"

    cp "$busybox" "$guest/bin/busybox"
    cp -L "$root/lib64/ld-linux-x86-64.so.2" "$guest/lib64/"
    for program in "${PROGRAMS[@]}"; do copy_with_libraries "$root" "$program" "$guest"; done
    for library in "${LIBRARIES[@]}"; do copy_with_libraries "$root" "$(library_path "$root" "$library")" "$guest"; done
    ln -s dash "$guest/bin/sh"
    echo "driver rxe" >"$guest/etc/libibverbs.d/rxe.driver"
    cp "$here/guest-init.sh" "$guest/init"
    chmod +x "$guest/init"
    (cd "$guest" && find . | LC_ALL=C sort | "$busybox" cpio -o -H newc 2>/dev/null) >"$work/initramfs.cpio"

    mv "$work/vmlinux" "$work/initramfs.cpio" "$result/"
    echo "$version" >"$result/kernel-version"
}

[ $# -eq 2 ] || fail "usage: image.sh FOLDER PACKAGES"
need_tools
work=$(mktemp -d "$1/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
build "$work" "$1" "$2"
