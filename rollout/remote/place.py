"""The shell lines of a place that is a folder: finding it, its lock, and the facts that lie there.

Each line runs below one lock of the kernel's (`flock`), so no two of them mix; a line that is cut off leaves
its files whole, since each is written beside and renamed, and half a fact at the end of a file is taken away.
The age of a sign of life is measured by the clock of the machine that has the folder. Values come by the
environment. `HELD`, `NOT_OURS` and `GAP` are exit statuses.
"""

from __future__ import annotations

HELD, NOT_OURS, GAP, REFUSED = 17, 18, 19, 20
"""Somebody holds the lock; nobody does, or not this holder; facts are missing before those that came; the
folder is not safe to use."""

SHARED = "/var/lib/rollout"
"""The folder that lets logins share their places, where it exists."""

_BEGIN = """
cd "$ROLLOUT_PLACE" || exit 1
if [ -g . ]; then umask 007; else umask 077; fi
exec 9>>busy && flock -w 5 9 || { echo "another process has locked $ROLLOUT_PLACE/busy for 5 s"; exit 1; }
number() { case $1 in ''|*[!0-9]*) echo 0 ;; *) echo "$1" ;; esac; }
epoch=$(number "$(cat epoch 2>/dev/null)")
ours() { grep -qsF "$ROLLOUT_TOKEN" lock; }
safe() { sync "$@" 2>/dev/null || sync; }
replaced() { safe "$1.new" && mv -f "$1.new" "$1"; }
"""

FIND = f"""
umask 077
refuse() {{ echo "$*"; exit {REFUSED}; }}
command -v flock >/dev/null || refuse "the program flock is missing there: it comes with util-linux"
socket=$(readlink -f -- "$ROLLOUT_SOCKET" 2>/dev/null); socket=${{socket:-$ROLLOUT_SOCKET}}
name=$ROLLOUT_SERVICE-$(printf %s "$socket" | cksum | cut -d " " -f 1)
not_here=
if [ -n "$ROLLOUT_FOLDER" ]; then
  base=$ROLLOUT_FOLDER
  mkdir -p "$base" || exit 1
elif [ -d {SHARED} ] && [ -w {SHARED} ] && [ -x {SHARED} ]; then
  base={SHARED}
elif [ "$ROLLOUT_MEETING" = machine ]; then
  base=/var/tmp/rollout-$name
  # Who may use the socket may use the folder, and only they can have given it the socket's group.
  group=$(stat -L -c %g "$socket" 2>/dev/null || id -g)
  if mkdir -m 700 "$base" 2>/dev/null; then chgrp "$group" "$base" 2>/dev/null && chmod 2770 "$base"; fi
  [ -d "$base" ] && [ ! -L "$base" ] || refuse "$base is no folder of rollout: somebody else made it"
  case $(stat -c "%u %g" "$base") in
    "$(id -u) "*|"0 "*|*" $group") ;;
    *) refuse "$base belongs to $(stat -c %U "$base"), who made it first" ;;
  esac
else
  base=${{XDG_STATE_HOME:-${{HOME:?is not set}}/.local/state}}/rollout
  [ ! -d {SHARED} ] || not_here="{SHARED} may not be written by $(id -un)"
  mkdir -p "$base" && chmod 700 "$base" || exit 1
fi
case $(stat -L -c %A "$base") in
  ????????w?) refuse "$base may be written by everybody there: chmod o-w $base" ;;
esac
place=$base/$name
if [ ! -d "$place" ]; then
  mkdir -m 700 "$place" 2>/dev/null || [ -d "$place" ] || refuse "$place cannot be made by $(id -un)"
  if [ -g "$base" ]; then chmod 2770 "$place"; fi
fi
[ ! -L "$place" ] || refuse "$place is a link: somebody else made it"
[ -w "$place" ] && [ -x "$place" ] || refuse "$place may not be written by $(id -un): it belongs to \\
$(stat -c %U:%G "$place")"
cd "$place" || exit 1
if [ -g . ]; then umask 007; fi
[ -d deployments ] || mkdir deployments 2>/dev/null || [ -d deployments ] || exit 1
echo "=place $place"
if [ -g . ]; then echo "=group $(stat -c %G .)"; fi
[ -z "$not_here" ] || echo "=not here $not_here"
"""
"""Find the folder of the service `ROLLOUT_SERVICE` behind the socket `ROLLOUT_SOCKET`, or make it.

It lies in `ROLLOUT_FOLDER`; where that is empty, where all logins meet, or else where this login's deployers
do; `ROLLOUT_MEETING` is `machine` where all users of this machine meet who may use the socket. Prints
`=place PATH`, `=group NAME` where that group's members share it, and `=not here REASON` where the login may
not use the folder of all. Exits with `REFUSED` and a reason where somebody else could change what is there.
"""

TAKE = f"""{_BEGIN}
if ours; then echo "$epoch"; exit 0; fi
if [ -e lock ]; then
  [ -n "$ROLLOUT_OVER" ] && grep -qsF "$ROLLOUT_OVER" lock || exit {HELD}
fi
[ "$epoch" -ge "$ROLLOUT_ABOVE" ] || epoch=$ROLLOUT_ABOVE
epoch=$((epoch + 1))
printf '%s\\n' "$epoch" >epoch.new && replaced epoch || exit 1
rm -f halt promote beat && : >beat || exit 1
printf '%s\\n' "$ROLLOUT_HOLDER" >lock.new && replaced lock || exit 1
echo "$epoch"
"""
"""Take the lock for `ROLLOUT_HOLDER`, also over the holder with the token `ROLLOUT_OVER`, in an epoch above
`ROLLOUT_ABOVE`. Prints the epoch, also where `ROLLOUT_TOKEN` has the lock already."""

_LOCK_STATE = """
cat lock 2>/dev/null || echo -
echo $(( $(date +%s) - $(stat -c %Y beat 2>/dev/null || echo 0) ))
echo "$epoch"
"""

HOLDER = f"{_BEGIN}{_LOCK_STATE}"
"""Print the lock: its holder or `-`, the seconds since the last sign of life, and the epoch."""

BEAT = f"""{_BEGIN}
ours || {{ cat lock 2>/dev/null; exit {NOT_OURS}; }}
: >beat
for request in halt promote; do
  if [ -e "$request" ]; then printf '%s ' "$request"; cat "$request"; fi
done
rm -f promote
"""
"""Give a sign of life for the holder with `ROLLOUT_TOKEN`. Prints the requests to it, or who has the lock."""

ASK = f"""{_BEGIN}
[ -e lock ] || exit {NOT_OURS}
rm -f "$ROLLOUT_REQUEST" && printf '%s\\n' "$ROLLOUT_WHO" >"$ROLLOUT_REQUEST"
"""
"""Leave the request `ROLLOUT_REQUEST` of `ROLLOUT_WHO` for the holder."""

DROP = f"""{_BEGIN}
ours || exit {NOT_OURS}
rm -f lock beat halt promote
"""
"""Release the lock of the holder with `ROLLOUT_TOKEN`."""

_PACKED = "} | gzip -c | base64 | sed 's/^/=/'"
"""The end of a line that prints much: as lines that no noise of the login can be taken for."""

LOOK = f"""{_BEGIN}{{
{_LOCK_STATE}
cat memory 2>/dev/null || echo
last=
for file in deployments/*.facts; do
  [ -e "$file" ] || continue
  last=${{file#deployments/}} last=${{last%.facts}}
  echo "$last $(wc -l <"$file")"
done
echo =
if [ -n "$last" ]; then
  known=0
  [ "$last" != "$ROLLOUT_NUMBER" ] || known=$ROLLOUT_KNOWN
  tail -n "+$((known + 1))" "deployments/$last.facts"
fi
{_PACKED}
"""
"""Print the lock as `HOLDER` does, the memory, a line with number and count for each deployment, `=`, and the
facts of the last one; without the first `ROLLOUT_KNOWN` if it is `ROLLOUT_NUMBER`."""

FACTS = f"""{_BEGIN}{{
cat "deployments/$ROLLOUT_NUMBER.facts" 2>/dev/null
{_PACKED}
"""
"""Print the facts of the deployment `ROLLOUT_NUMBER`."""

SUMMARIES = f"""{_BEGIN}{{
for number in $ROLLOUT_NUMBERS; do
  [ -s "deployments/$number.summary" ] && printf '%s ' "$number" && cat "deployments/$number.summary"
done
{_PACKED}
"""
"""Print the summary of each deployment in `ROLLOUT_NUMBERS` that has one, behind its number."""

PUBLISH = f"""
cd "$ROLLOUT_PLACE" || exit 1
umask 077
incoming=$(mktemp incoming.XXXXXX) || exit 1
cat >"$incoming"
fail() {{ rm -f "$ROLLOUT_PLACE/$incoming" "$ROLLOUT_PLACE/"*.new; exit "$1"; }}
[ "$(tail -n 1 "$incoming")" = "=end=" ] || {{ echo "what was sent did not arrive whole"; fail 1; }}
{_BEGIN}
ours && [ "$epoch" = "$ROLLOUT_EPOCH" ] || {{ cat lock 2>/dev/null; fail {NOT_OURS}; }}
facts=deployments/$ROLLOUT_NUMBER.facts
[ -e "$facts" ] || : >"$facts" || fail 1
[ -z "$(tail -c 1 "$facts")" ] || sed -i '$d' "$facts" || fail 1
have=$(wc -l <"$facts")
skip=$((have - ROLLOUT_AFTER))
[ "$skip" -ge 0 ] || {{ echo "$have"; fail {GAP}; }}
sed -e '1,2d' -e '$d' "$incoming" | tail -n "+$((skip + 1))" >>"$facts" || fail 1
sed -n 1p "$incoming" >memory.new || fail 1
sed -n 2p "$incoming" >summary.new || fail 1
safe "$facts" || fail 1
[ "$(cat memory.new)" = - ] || replaced memory || fail 1
if [ "$(cat summary.new)" != - ]; then
  safe summary.new && mv -f summary.new "${{facts%.facts}}.summary" || fail 1
fi
rm -f "$incoming" memory.new summary.new
"""
"""Add the facts on standard input to the deployment `ROLLOUT_NUMBER`, if the holder with `ROLLOUT_TOKEN`
still holds the lock in the epoch `ROLLOUT_EPOCH`. `ROLLOUT_AFTER` facts come before; with fewer there, it
exits with `GAP` and prints how many. The first two lines are the memory and the summary, `-` for one that
stays as it is; the last one is `=end=`."""

PRUNE = f"""{_BEGIN}
ours || exit {NOT_OURS}
for number in $ROLLOUT_NUMBERS; do rm -f "deployments/$number.facts" "deployments/$number.summary"; done
"""
"""Remove the deployments in `ROLLOUT_NUMBERS`."""

STAMP = """
cd "$ROLLOUT_PLACE" || exit 1
stat -c '%n %i %s %y' lock epoch halt promote memory deployments/*.facts 2>/dev/null | cksum
"""
"""Print a word that changes with the lock, the requests to its holder, the memory and the facts."""
