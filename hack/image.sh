#!/bin/sh
# Makes the root file system of the image as a folder: hack/image.sh FOLDER [amd64|arm64]
# The program node comes from npm, the C libraries it needs from Debian's packages (by apt, which checks signatures), and
# nothing else is in it: no shell, no package manager. Needs npm, and apt-get and dpkg (Debian, or the Dockerfile).
set -eu
umask 022

root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:?say where: hack/image.sh FOLDER [amd64|arm64]}
arch=${2:-$(dpkg --print-architecture)}
cache=${SMARTFLOW_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/smartflow}
node_version=$(sed -n 's/^ *"node": "\([0-9.]*\)",*$/\1/p' "$root/package.json")

# What npm gives for a version is what was looked at when the version was chosen: another version needs other lines.
case $arch in
amd64) node_arch=x64 triplet=x86_64-linux-gnu loader=lib64/ld-linux-x86-64.so.2 ;;
arm64) node_arch=arm64 triplet=aarch64-linux-gnu loader=lib/ld-linux-aarch64.so.1 ;;
*) echo "hack/image.sh: architecture $arch is neither amd64 nor arm64" >&2; exit 2 ;;
esac
case $node_version-$node_arch in
26.10.0-x64) node_sum=sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw== ;;
26.10.0-arm64) node_sum=sha512-idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ== ;;
*) echo "hack/image.sh: no sum for node $node_version ($node_arch): add it, from npm view node-linux-$node_arch@$node_version dist.integrity" >&2; exit 2 ;;
esac
command -v npm >/dev/null && command -v node >/dev/null || { echo 'hack/image.sh: npm and a node to run it were not found' >&2; exit 1; }
command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
  { echo 'hack/image.sh: the C libraries come from Debian packages: run it on Debian, or build the Dockerfile' >&2; exit 1; }

if [ -e "$out" ] && [ -n "$(ls -A "$out")" ]; then
  echo "hack/image.sh: $out is not empty" >&2
  exit 2
fi
mkdir -p "$out" "$cache"
out=$(cd "$out" && pwd)
work=$(mktemp -d "$cache/image-work-XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

# A folder of the cache is there whole or not at all: keep NAME COMMAND; the command fills the folder it is given.
keep() {
  [ -d "$cache/$1" ] && return
  mkdir "$work/$1"
  "$2" "$work/$1"
  mv "$work/$1" "$cache/$1" 2>/dev/null || [ -d "$cache/$1" ]
}

get_node() {
  (cd "$1" && npm pack --silent "node-linux-$node_arch@$node_version" >/dev/null)
  sum=sha512-$(node -p "require('crypto').createHash('sha512').update(require('fs').readFileSync(process.argv[1])).digest('base64')" "$1"/*.tgz)
  [ "$sum" = "$node_sum" ] || { echo "hack/image.sh: node-linux-$node_arch@$node_version has the sum $sum, not $node_sum" >&2; exit 1; }
  tar -xzf "$1"/*.tgz -C "$1" --strip-components=1 package/bin/node package/LICENSE
  rm "$1"/*.tgz
}

# With lists of its own, so that another architecture can be asked for without a change to this machine.
get_libraries() {
  mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial"
  : >"$work/apt/status"
  set -- "$1" -qq -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o APT::Sandbox::User=root \
    -o Dir::State="$work/apt" -o Dir::State::lists="$work/apt/lists" -o Dir::State::status="$work/apt/status" \
    -o Dir::Cache="$work/apt"
  folder=$1
  shift
  apt-get "$@" update
  (cd "$folder" && apt-get "$@" download libc6 libgcc-s1 libstdc++6 libatomic1 gcc-12-base)
}

# A week old at most, so that security updates come in.
libraries=image-libraries-$arch-$(date -u +%G-%V)
keep "image-node-$node_version-$arch" get_node
keep "$libraries" get_libraries

# ---------------------------------------------------------------- the system
mkdir -p "$work/debian" "$out/usr/local/bin" "$out/usr/share/doc" "$out/etc" "$out/tmp" "$out/proc" "$out/dev" "$out/sys" \
  "$out/lib/$triplet" "$out/$(dirname "$loader")" "$out/var/lib/smartflow" "$out/var/run/smartflow/keys"
chmod 1777 "$out/tmp"
for package in "$cache/$libraries"/*.deb; do dpkg -x "$package" "$work/debian"; done
for library in libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libresolv.so.2 libgcc_s.so.1 libstdc++.so.6 libatomic.so.1; do
  cp -L "$work/debian/lib/$triplet/$library" "$out/lib/$triplet/" 2>/dev/null ||
    cp -L "$work/debian/usr/lib/$triplet/$library" "$out/lib/$triplet/"
done
cp -L "$work/debian/lib/$triplet/$(basename "$loader")" "$out/$loader"
chmod 755 "$out/$loader"
for package in libc6 gcc-12-base; do
  mkdir -p "$out/usr/share/doc/$package"
  cp "$work/debian/usr/share/doc/$package/copyright" "$out/usr/share/doc/$package/"
done
cp "$cache/image-node-$node_version-$arch/bin/node" "$out/usr/local/bin/node"
mkdir -p "$out/usr/share/doc/node" && cp "$cache/image-node-$node_version-$arch/LICENSE" "$out/usr/share/doc/node/"
printf 'root:x:0:0:root:/:/none\nsmartflow:x:65532:65532:smartflow:/app:/none\n' >"$out/etc/passwd"
printf 'root:x:0:\nsmartflow:x:65532:\n' >"$out/etc/group"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$out/etc/hosts"
printf 'hosts: files dns\npasswd: files\ngroup: files\n' >"$out/etc/nsswitch.conf"

# --------------------------------------------------------------- the program
app=$out/app
mkdir "$app"
cp "$root/package.json" "$root/package-lock.json" "$root/LICENSE" "$app/"
for workspace in core dataplane operator; do
  mkdir "$app/$workspace"
  cp "$root/$workspace/package.json" "$app/$workspace/"
  cp -R "$root/$workspace/src" "$app/$workspace/src"
done
find "$app" \( -name '*.test.ts' -o -name '*.contract.ts' \) -exec rm {} +
find "$app" -type d -name testdata -prune -exec rm -rf {} +
(cd "$app" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --silent --os=linux --cpu="$node_arch" --libc=glibc \
  -w core -w dataplane -w operator)
# Nothing reads types, maps and tests of packages at run time; licences stay.
find "$app/node_modules" -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' \) -exec rm {} +
rm -rf "$app/package-lock.json" "$app/node_modules/@types" "$app/node_modules/.package-lock.json" "$app/node_modules/.bin"

# Compiled code halves the time to the first answer. It is of use to the processor it was made on only, so an image for
# another one has none. Each program loads everything, sees no settings, and ends.
mkdir "$app/.cache"
if [ "$arch" = "$(dpkg --print-architecture)" ]; then
  for program in dataplane operator; do
    env -i NODE_COMPILE_CACHE="$app/.cache" NODE_COMPILE_CACHE_PORTABLE=1 REDIS_URL=none \
      "$out/usr/local/bin/node" "$app/$program" >/dev/null 2>&1 || true
  done
fi

chmod -R go=rX "$out/app" "$out/usr" "$out/lib"
du -sm "$out" | sed 's/\t.*/ MB/'
