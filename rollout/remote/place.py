"""The shell lines of a place that is a folder: finding it, its lock, and the facts that lie there.

Each line runs below one lock of the kernel's (`flock`), so no two of them mix; a line that is cut off leaves
its files whole, since each is written beside and renamed, and half a fact at the end of a file is taken away.
The age of a sign of life is measured by the clock of the machine that has the folder. Values come by the
environment, which takes no large ones: those are in variables of the shell alone. `HELD`, `NOT_OURS` and
`GAP` are exit statuses.

The first line of a process begins with `FIND`, which finds the folder `ROLLOUT_PLACE`; later ones are given
it. A login that may only read it is told why, in `ROLLOUT_READ_ONLY`, by each line that changes something.
"""

from __future__ import annotations

HELD, NOT_OURS, GAP, REFUSED = 17, 18, 19, 20
"""Somebody holds the lock; nobody does, or not this holder; facts are missing before those that came; the
folder is not safe to use."""

PLACE, GROUP, NOT_HERE, READ_ONLY = "+place", "+group", "+not here", "+read-only"
"""What `FIND` says: the path of the folder, the group whose members share it, the reason why it is not where
all logins meet, and the reason why this login may only look there. `: ` and the value follow."""

SHARED = "/var/lib/rollout"
"""The folder that lets logins share their places, where it exists."""

_FREE = 'flock -w 5 9 || { echo "another process has locked $ROLLOUT_PLACE/busy for 5 s"; exit 1; }'
_EPOCH = """
lock= epoch=
{ read -r lock <lock; read -r epoch <epoch; } 2>/dev/null
case $epoch in ''|*[!0-9]*) epoch=0 ;; esac
"""

_SEE = f"""
cd "$ROLLOUT_PLACE" || exit 1
readable() {{
  for file; do
    if [ -e "$file" ] && [ ! -r "$file" ]; then
      echo "$PWD/$file may not be read by $(id -un)"
      exit {REFUSED}
    fi
  done
}}
readable busy lock epoch beat memory deployments
if [ -e busy ]; then exec 9<busy && {_FREE}; fi
{_EPOCH}"""
"""The beginning of a line that changes nothing."""

_BEGIN = f"""
[ -z "$ROLLOUT_READ_ONLY" ] || {{ echo "$ROLLOUT_READ_ONLY"; exit {REFUSED}; }}
cd "$ROLLOUT_PLACE" || exit 1
if [ -g . ]; then umask 007; else umask 077; fi
exec 9>>busy && {_FREE}
{_EPOCH}
who() {{ cat lock 2>/dev/null || cat last 2>/dev/null; }}
held_by() {{ [ -n "$1" ] && case $lock in *"$1"*) ;; *) false ;; esac; }}
ours() {{ held_by "$ROLLOUT_TOKEN"; }}
safe() {{ sync "$@" 2>/dev/null || sync; }}
"""
"""The beginning of a line that changes something."""

FIND = f"""
umask 077
refuse() {{ echo "$*"; exit {REFUSED}; }}
among() {{ case " $2 " in *" $1 "*) ;; *) false ;; esac; }}
# Refuse the folder $1 if a login could change what is there that is none of $2, nor in one of the groups $3.
closed() {{
  if [ -L "$1" ] && ! among "$(stat -c %u "$1")" "0 $(id -u)"; then
    refuse "$1 is a link that $(stat -c %U "$1") made"
  fi
  case $(stat -L -c %A "$1") in
    ????????w[tT]) refuse "everybody there may write to $1: name a folder in it that is rollout's own" ;;
    ????????w?) refuse "everybody there may write to $1: chmod o-w $1" ;;
  esac
  among "$(stat -L -c %u "$1")" "0 $(id -u) $2" && return
  [ -g "$1" ] && among "$(stat -L -c %g "$1")" "$3" && return
  why="$1 belongs to $(stat -L -c %U:%G "$1"), and is not shared with $(id -un)"
  # Who names another's folder, and cannot change it, may read there.
  [ -n "$ROLLOUT_FOLDER" ] && [ ! -w "$1" ] || refuse "$why"
  ROLLOUT_READ_ONLY=$why
}}
command -v flock >/dev/null || refuse "the program flock is missing there: it comes with util-linux"
case $ROLLOUT_SOCKET in /*) socket=$(readlink -f -- "$ROLLOUT_SOCKET" 2>/dev/null) ;; *) socket= ;; esac
socket=${{socket:-$ROLLOUT_SOCKET}}
ROLLOUT_READ_ONLY=
name=$ROLLOUT_SERVICE-$(printf %s "$socket" | cksum | cut -d " " -f 1)
owners= groups=$(id -G) not_here=
if [ -n "$ROLLOUT_FOLDER" ]; then
  base=$ROLLOUT_FOLDER
  mkdir -p "$base" || exit 1
elif [ -d {SHARED} ] && [ -w {SHARED} ] && [ -x {SHARED} ]; then
  base={SHARED}
elif [ -r {SHARED}/"$name" ] && [ -x {SHARED}/"$name" ]; then # deployers meet there, and this login may look
  base={SHARED}
elif [ "$ROLLOUT_MEETING" = machine ]; then
  base=/var/tmp/rollout-$name
  # Who may use the socket may use the folder, and only they can have given it the socket's group.
  groups=$(stat -L -c %g "$socket" 2>/dev/null || id -g)
  if mkdir -m 700 "$base" 2>/dev/null; then chgrp "$groups" "$base" 2>/dev/null && chmod 2770 "$base"; fi
else
  base=${{XDG_STATE_HOME:-${{HOME:-/nowhere}}/.local/state}}/rollout
  [ ! -d {SHARED} ] || not_here="{SHARED} may not be written by $(id -un)"
  if ! {{ mkdir -p "$base" && chmod 700 "$base"; }} 2>/dev/null; then # a login may have no home to write to
    base=/var/tmp/rollout-$name-$(id -u)
    mkdir -m 700 "$base" 2>/dev/null
  fi
  owners=$(stat -L -c %u "$base") # with sudo, a login may use another's home
fi
[ -d "$base" ] || refuse "$base is no folder"
closed "$base" "$owners" "$groups"
place=$base/$name
if mkdir -m 700 "$place" 2>/dev/null && [ -g "$base" ]; then chmod 2770 "$place"; fi
[ -d "$place" ] || refuse "$place cannot be made by $(id -un): $base belongs to $(stat -L -c %U:%G "$base")"
shared=; [ ! -g "$base" ] || shared=$(stat -L -c %g "$base")
closed "$place" "$(stat -L -c %u "$base")" "$shared"
[ -r "$place" ] && [ -x "$place" ] || refuse "$place may not be read by $(id -un): it belongs to \\
$(stat -L -c %U:%G "$place")"
ROLLOUT_PLACE=$place
cd "$place" || exit 1
if [ -g . ]; then umask 007; fi
if [ -z "$ROLLOUT_READ_ONLY" ] && ! why=$(touch busy 2>&1 && mkdir -p deployments 2>&1); then
  ROLLOUT_READ_ONLY="$place may not be written by $(id -un): ${{why##*: }}"
fi
echo "{PLACE}: $place"
if [ -g . ]; then echo "{GROUP}: $(stat -c %G .)"; fi
[ -z "$not_here" ] || echo "{NOT_HERE}: $not_here"
[ -z "$ROLLOUT_READ_ONLY" ] || echo "{READ_ONLY}: $ROLLOUT_READ_ONLY"
"""
"""Find the folder of the service `ROLLOUT_SERVICE` behind the socket `ROLLOUT_SOCKET`, or make it.

It lies in `ROLLOUT_FOLDER`; where that is empty, where all logins meet, or else where this login's deployers
do; `ROLLOUT_MEETING` is `machine` where all users of this machine meet who may use the socket. Exits with
`REFUSED` and a reason where somebody else could change what is there.
"""

TAKE = f"""{_BEGIN}
if ours; then echo "$epoch"; exit 0; fi
if [ -e lock ]; then
  held_by "$ROLLOUT_OVER" || exit {HELD}
fi
[ "$epoch" -ge "$ROLLOUT_ABOVE" ] || epoch=$ROLLOUT_ABOVE
epoch=$((epoch + 1))
rm -f ./*.new incoming.* deployments/sed?????? # of lines that were cut off
# Unlike printf, cat says why it cannot write.
printf '%s\\n' "$epoch" | cat >epoch.new && printf '%s\\n' "$ROLLOUT_HOLDER" | cat >lock.new || exit 1
: >beat.new || exit 1
safe epoch.new lock.new && mv -f epoch.new epoch && rm -f halt promote last || exit 1
mv -f beat.new beat && mv -f lock.new lock && safe . || exit 1
echo "$epoch"
"""
"""Take the lock for `ROLLOUT_HOLDER`, also over the holder with the token `ROLLOUT_OVER`, in an epoch above
`ROLLOUT_ABOVE`. Prints the epoch, also where `ROLLOUT_TOKEN` has the lock already."""

_LOCK_STATE = """
cat lock 2>/dev/null || echo -
echo $(( $(date +%s) - $(stat -c %Y beat 2>/dev/null || echo 0) ))
echo "$epoch"
"""

HOLDER = f"{_SEE}{_LOCK_STATE}"
"""Print the lock: its holder or `-`, the seconds since the last sign of life, and the epoch."""

BEAT = f"""{_BEGIN}
ours || {{ who; exit {NOT_OURS}; }}
: >beat
for request in halt promote; do
  if [ -e "$request" ]; then printf '%s ' "$request"; cat "$request"; fi
done
[ ! -e promote ] || rm -f promote
"""
"""Give a sign of life for the holder with `ROLLOUT_TOKEN`. Prints the requests to it, or who has the lock."""

ASK = f"""{_BEGIN}
[ -e lock ] || exit {NOT_OURS}
rm -f "$ROLLOUT_REQUEST" && printf '%s\\n' "$ROLLOUT_WHO" >"$ROLLOUT_REQUEST"
"""
"""Leave the request `ROLLOUT_REQUEST` of `ROLLOUT_WHO` for the holder."""

DROP = f"""{_BEGIN}
ours || exit {NOT_OURS}
mv -f lock last && rm -f beat halt promote
"""
"""Release the lock of the holder with `ROLLOUT_TOKEN`."""

_PACKED = "} | gzip -c | base64 | sed 's/^/=/'"
"""The end of a line that prints much: as lines that no noise of the login can be taken for."""


_ALL = "deployments/[0-9]*.facts"

LOOK = f"""{_SEE}
set -- {_ALL} # thousands, so nothing is done with each
[ -e "$1" ] || shift
total=$#
[ "$total" -le "$ROLLOUT_LATEST" ] || shift $((total - ROLLOUT_LATEST))
for number in $rollout_also; do
  if [ -e "deployments/$number.facts" ]; then set -- "deployments/$number.facts" "$@"; fi
done
last= summaries=
for last; do summaries="$summaries ${{last%.facts}}.summary"; done
readable "$@" $summaries
{{
{_LOCK_STATE}
cat memory 2>/dev/null || echo
echo "$total"
wc -l /dev/null "$@" | sed -n 's|^ *\\([0-9]*\\) deployments/\\([0-9]*\\).facts$|\\2 \\1|p'
echo =
grep -s "" /dev/null $summaries | sed 's|^deployments/\\([0-9]*\\).summary:|\\1 |'
echo =
known=0
[ "$last" != "deployments/$ROLLOUT_NUMBER.facts" ] || known=$ROLLOUT_KNOWN
if [ -e "$last" ]; then tail -n "+$((known + 1))" "$last"; fi
{_PACKED}
"""
"""Print the lock as `HOLDER` does, the memory, and the number of deployments. Then, for the `ROLLOUT_LATEST`
latest deployments and for those in `rollout_also`, a line with number and count, `=`, a line with number and
summary, `=`. Then the facts of the last one; without the first `ROLLOUT_KNOWN` if it is `ROLLOUT_NUMBER`."""

NUMBERS = f"""{_SEE}{{
printf '%s\\n' {_ALL} | sed -n 's|^deployments/\\([0-9]*\\).facts$|\\1|p'
{_PACKED}
"""
"""Print the numbers of all deployments."""

FACTS = f"""{_SEE}
readable "deployments/$ROLLOUT_NUMBER.facts"
{{
cat "deployments/$ROLLOUT_NUMBER.facts" 2>/dev/null
{_PACKED}
"""
"""Print the facts of the deployment `ROLLOUT_NUMBER`."""

PUBLISH = f"""
cd "$ROLLOUT_PLACE" || exit 1
umask 077
incoming=incoming.$ROLLOUT_TOKEN.$$
fail() {{ rm -f "$incoming" ./*.new; exit "$1"; }}
printf %s "$rollout_facts" | cat >"$incoming" || fail 1
{_BEGIN}
ours && [ "$epoch" = "$ROLLOUT_EPOCH" ] || {{ who; fail {NOT_OURS}; }}
facts=deployments/$ROLLOUT_NUMBER.facts
[ -e "$facts" ] || : >"$facts" || fail 1
[ -z "$(tail -c 1 "$facts")" ] || sed -i '$d' "$facts" || fail 1
have=$(wc -l <"$facts")
skip=$((have - ROLLOUT_AFTER))
[ "$skip" -ge 0 ] || {{ echo "$have"; fail {GAP}; }}
sed "1,$((skip + 2))d" "$incoming" >>"$facts" || fail 1
[ -z "$ROLLOUT_MEMORY" ] || sed -n 1p "$incoming" >memory.new || fail 1
[ -z "$ROLLOUT_SUMMARY" ] || sed -n 2p "$incoming" >summary.new || fail 1
safe "$facts" ${{ROLLOUT_MEMORY:+memory.new}} ${{ROLLOUT_SUMMARY:+summary.new}} || fail 1
[ -z "$ROLLOUT_MEMORY" ] || mv -f memory.new memory || fail 1
[ -z "$ROLLOUT_SUMMARY" ] || mv -f summary.new "${{facts%.facts}}.summary" || fail 1
rm -f "$incoming"
"""
"""Add the facts in `rollout_facts` to the deployment `ROLLOUT_NUMBER`, if the holder with `ROLLOUT_TOKEN`
still holds the lock in the epoch `ROLLOUT_EPOCH`. `ROLLOUT_AFTER` facts come before; with fewer there, it
exits with `GAP` and prints how many. The first two lines are the memory and the summary, which count where
`ROLLOUT_MEMORY` and `ROLLOUT_SUMMARY` are not empty. Few programs are run: a node's turn waits for this."""

PRUNE = f"""{_BEGIN}
ours || exit {NOT_OURS}
for number in $rollout_numbers; do rm -f "deployments/$number.facts" "deployments/$number.summary"; done
"""
"""Remove the deployments in `rollout_numbers`."""
