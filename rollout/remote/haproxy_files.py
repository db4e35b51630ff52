"""The shell lines that print the configuration files of a running HAProxy, on its machine."""

from __future__ import annotations

_CONTENTS = r"""
words() { tr '\0' '\n' <"/proc/$1/cmdline"; } 2>/dev/null
files() {
  words "$1" | awk 'rest || file { print; file = 0; next } $0 == "--" { rest = 1 } /^-f/ { file = 1 }'
}
of_status() { awk -v name="$2:" '$1 == name { print $NF }' "/proc/$1/status"; } 2>/dev/null
seconds_from_start() {  # between the start of process $1 and the one that is wanted
  awk -v started="$started" -v hertz="$(getconf CLK_TCK || echo 100)" '
    /^btime / { booted = $2; next }
    NR == FNR { next }
    { sub(/.*\) /, ""); off = booted + $20 / hertz - started; print int(off < 0 ? -off : off) }
  ' /proc/stat "/proc/$1/stat"
} 2>/dev/null

[ -r /proc/stat ] || { echo "?the machine has no /proc, which shows them on Linux"; exit; }
# In a container HAProxy has another number than here, and several containers may have the same one.
process=
for found in $(grep -lE "^NSpid:.*[[:space:]]$pid\$" /proc/[0-9]*/status 2>/dev/null); do
  one=${found#/proc/}; one=${one%/status}
  words "$one" | grep -q haproxy && [ -n "$(files "$one")" ] || continue
  off=$(seconds_from_start "$one")
  [ -z "$process" ] || [ "${off:-0}" -lt "$least" ] || continue
  process=$one least=${off:-0}
done
[ -n "$process" ] || { echo "?no HAProxy with the process number $pid runs there"; exit; }

# A worker may have left its folder and its root (chroot); its master has not.
opener=$process parent=$(of_status "$process" PPid)
[ "$(files "$parent")" != "$(files "$process")" ] || opener=$parent

sudo=
[ -n "$(readlink "/proc/$opener/root")" ] || ! sudo -n true 2>/dev/null || sudo="sudo -n"
jail=$($sudo readlink "/proc/$opener/root") hidden="that is not visible to $(id -un)"
if [ "$jail" = / ]; then
  root=/proc/$opener/root folder=$($sudo readlink "/proc/$opener/cwd")
elif [ "$(awk '/^NSpid:/ { print NF }' "/proc/$process/status")" = 2 ]; then
  root= folder=$(words "$process" | awk 'folder { print; exit } /^-C/ { folder = 1 }')
  [ -z "$jail" ] || hidden="that it has left for $jail (chroot)"
else
  echo "?it runs in a container, whose files are not visible to $(id -un)"; exit
fi

changed() {  # when the file was changed last, or the link to it
  { $sudo stat -c %Y "$1"; $sudo stat -L -c %Y "$1"; } 2>/dev/null | sort -n | tail -n 1
}
print_file() {
  text=$($sudo cat "$root$1" 2>/dev/null) || {
    echo "?$1 is not readable by ${sudo:+sudo and }$(id -un)"; exit
  }
  echo "=$(changed "$root$1") $1"
  printf '%s\n' "$text" | sed 's/^/ /'
}
files "$process" | while IFS= read -r file; do
  case $file in
    /*) ;;
    *) case $folder in
         /*) file=${folder%/}/${file#./} ;;
         *) echo "?it was started with \`-f $file\`, in a folder $hidden"; exit ;;
       esac ;;
  esac
  if $sudo test -d "$root$file"; then
    $sudo ls "$root$file" | grep '\.cfg$' | LC_ALL=C sort | while IFS= read -r name; do
      ! $sudo test -f "$root$file/$name" || print_file "${file%/}/$name"
    done
  else
    print_file "$file"
  fi
done
"""


def contents(pid: int, started: int) -> str:
    """Print the files of the HAProxy whose process calls itself `pid` and began at the Unix time `started`.

    `=TIME FILE` comes before the lines of each file: when it was changed last, as Unix time, and its absolute
    path as HAProxy sees it. The lines themselves begin with a space. `?REASON` says why there is no more.
    """
    return f"pid={pid} started={started}{_CONTENTS}"
