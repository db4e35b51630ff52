"""The shell lines that keep a note of a command on its node while it runs, and that read such notes.

A note names the shell that runs the command, by process id, start and boot. The shell writes it before the
command begins and removes it once the command has ended, so a note that stays says that nobody may have seen
the end. Beside the notes lies the claim of the rollout that came last: a command of an earlier claim does not
begin any more, however late it arrives. A command writes its note first and then looks at the claim; a claim
is written first and then looks at the notes. So one of the two always sees the other.

All of it lies in a folder that nobody but the login can have prepared.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from rollout.domain import Note, Orphan

SUPERSEDED = "--- rollout: the command did not begin, since the node was claimed by "
"""The beginning of the line that a command prints in place of all else when a later claim was made."""

_FOLDERS = r"""
case ${XDG_STATE_HOME:-} in
  /*) home_state=$XDG_STATE_HOME ;;
  *) home_state=${HOME:-}/.local/state ;;
esac
roots="home /var/tmp /tmp /dev/shm"
at() {  # sets `folder` to the one of the notes in $1
  case $1 in
    home) root=$home_state/rollout ;;
    *) root=$1/rollout-$(id -u) ;;
  esac
  folder=$root/commands/$place
}
own() { [ -d "$folder" ] && [ ! -L "$root" ] && [ -O "$root" ] && [ -O "$folder" ]; }
made() {  # others may have prepared a folder in /tmp: it is used only if it is this login's own
  own && return
  mkdir -p "$root" && [ ! -L "$root" ] && [ -O "$root" ] && mkdir -p "$folder" && own
} 2>/dev/null
"""
"""Functions that find the folder. A command needs no program for it but in its first run."""

_KEPT = r"""
_ROLLOUT_NOTE=$(
umask 077
place={place} claim={claim} timeout={timeout} about={about}
{folders}
{{ read -r boot </proc/sys/kernel/random/boot_id && read -r up _ </proc/uptime && read -r shown </proc/$$/stat
}} 2>/dev/null || exit
set -- ${{shown##*) }}
for where in $roots; do
  at "$where"
  made || continue
  note=$folder/${{claim:-none}}.$$.run
  printf '%s\n' "$boot $$ ${{20}} ${{up%%.*}} $timeout" "$about" 2>/dev/null >"$note" ||
    {{ rm -f "$note"; continue; }}
  [ -z "$claim" ] || {{ read -r current who <"$folder/claim"; }} 2>/dev/null || current=$claim
  if [ "${{current:-$claim}}" != "$claim" ]; then
    rm -f "$note"
    note="!$who"
  fi
  printf '%s' "$note"
  exit
done
)
case $_ROLLOUT_NOTE in
  '!'*) echo "{superseded}${{_ROLLOUT_NOTE#?}}"; exit 75 ;;
  '') unset _ROLLOUT_NOTE ;;
  *) export _ROLLOUT_NOTE ;;
esac
# The shell that keeps the note neither prints nor ends before the command, which one signal may end.
trap 'rollout_note_stays=yes' TERM
rollout_line={line}
( eval "unset rollout_line
$rollout_line" )
rollout_status=$?
[ -n "${{rollout_note_stays-}}" ] || [ -z "${{_ROLLOUT_NOTE-}}" ] || rm -f "$_ROLLOUT_NOTE"
exit $rollout_status
"""

_LIVING = r"""
is_another() {  # whether the number $1 belongs to a process that did not start at $2
  { read -r shown <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- "$2" ${shown##*) }
  [ "${21}" != "$1" ]
}
of_session() {  # the processes of the session or group that process $1 led, which started at $2
  ! is_another "$1" "$2" || return
  for stat in /proc/[0-9]*/stat; do
    { read -r shown <"$stat"; } 2>/dev/null || continue
    name=${shown#*\(}
    set -- "$1" "${shown%% *}" "${name%\)*}" ${shown##*) }
    case $4 in [ZX]) continue ;; esac
    case $3 in *,* | *"$tab"*) set -- "$1" "$2" "?" "$4" "$5" "$6" "$7" ;; esac
    if [ "$2" = "$1" ] || [ "$6" = "$1" ] || [ "$7" = "$1" ]; then printf '%s,' "$2 $3"; fi
  done
}
detached() {  # the processes with the note $1 in their environment that are not among $2
  grep -lsF -- "_ROLLOUT_NOTE=$1" /proc/[0-9]*/environ | while read -r found; do
    pid=${found#/proc/} pid=${pid%/environ}
    case ",$2" in *",$pid "*) continue ;; esac
    { read -r name <"/proc/$pid/comm"; } 2>/dev/null && printf '%s,' "$pid $name"
  done
}
"""

LOOK = rf"""
umask 077
place=$ROLLOUT_PLACE tab=$(printf '\t')
{_FOLDERS}{_LIVING}
{{ read -r boot </proc/sys/kernel/random/boot_id && read -r up _ </proc/uptime; }} 2>/dev/null ||
  {{ echo "unkept${{tab}}the machine has no /proc, which shows processes on Linux"; exit 0; }}
kept=
for where in $roots; do
  at "$where"
  if [ -z "$ROLLOUT_CLAIM" ]; then
    near=$folder
    while [ -n "$near" ] && [ ! -e "$near" ]; do near=${{near%/*}}; done
    [ ! -w "${{near:-/}}" ] || kept=yes
    own || continue
  else
    {{ [ -z "$kept" ] && made; }} || own || continue
    {{ printf '%s\n' "$ROLLOUT_CLAIM $ROLLOUT_SENDER" >"$folder/claim.$$" &&
      mv -f "$folder/claim.$$" "$folder/claim"; }} 2>/dev/null && kept=yes || rm -f "$folder/claim.$$"
  fi
  for note in "$folder"/*.run; do
    about= pid=
    {{ read -r booted pid start begun timeout && IFS= read -r about; }} 2>/dev/null <"$note" || continue
    group= apart= age=$((${{up%.*}} - begun))
    if [ "$booted" = "$boot" ]; then
      group=$(of_session "$pid" "$start")
      apart=$(detached "$note" "$group")
    fi
    state=over
    if [ -n "$group$apart" ]; then
      state=runs
    elif [ "$booted" = "$boot" ] && [ "$age" -lt "$timeout" ] && [ -z "$ROLLOUT_FORGETS" ]; then
      case ${{note##*/}} in
        *.*.*.run) ;;  # an agent's program, whose end nobody reports
        *) state=ended ;;
      esac
    fi
    if [ "$state" = over ]; then
      [ -z "$ROLLOUT_CLAIM" ] || rm -f "$note"
      continue
    fi
    echo "$state$tab$note$tab$age$tab$timeout$tab$group$tab$apart$tab$about"
  done
done
[ -n "$kept" ] ||
  echo "unkept${{tab}}$(id -un) can write neither to $home_state/rollout nor to /var/tmp, /tmp and /dev/shm"
"""
"""Make a claim and print the commands whose end nobody reported; without ROLLOUT_CLAIM only print them.

Its environment is `environment()`. A note of which nothing is left is removed.
"""

END = rf"""
tab=,
{_LIVING}
{{ read -r _ pid start _ <"$ROLLOUT_ENDED"; }} 2>/dev/null || exit 0
! is_another "$pid" "$start" || exit 0
for signal in TERM KILL; do
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    kill -s "$signal" -- "-$pid" 2>/dev/null || exit 0
    [ -n "$(of_session "$pid" "$start")" ] || exit 0
    sleep 0.1
    signal=0
  done
done
"""
"""End the process group of the command whose note is ROLLOUT_ENDED: SIGTERM, and SIGKILL a second later."""


def kept(line: str, note: Note, timeout: float) -> str:
    """A shell line that runs `line` and keeps `note` of it meanwhile. `timeout` is in seconds.

    Where no note can be kept, it runs `line` all the same: `LOOK` says so beforehand.
    """
    about = "\t".join(map(_word, (note.sender, note.step, note.deployment)))
    return _KEPT.format(
        place=shlex.quote(note.place),
        claim=shlex.quote(note.claim),
        timeout=max(1, round(timeout)),
        about=shlex.quote(about),
        folders=_FOLDERS,
        superseded=SUPERSEDED,
        line=shlex.quote(line),
    )


def environment(place: str, claim: str, sender: str, *, forgets: bool = False) -> dict[str, str]:
    """The environment of `LOOK`. An empty `claim` makes none.

    `forgets` passes over commands that were ended in the middle, and removes their notes.
    """
    return {
        "ROLLOUT_PLACE": place,
        "ROLLOUT_CLAIM": claim,
        "ROLLOUT_SENDER": _word(sender),
        "ROLLOUT_FORGETS": "yes" if forgets else "",
    }


def orphans(printed: Iterable[str]) -> list[Orphan]:
    """The orphans that `LOOK` printed; those without processes were ended in the middle."""
    found = []
    for line in printed:
        state, *words = line.split("\t")
        if state in ("runs", "ended") and len(words) == 8:
            note, age, timeout, group, detached, sender, step, deployment = words
            found.append(
                Orphan(
                    note=note,
                    age=int(age),
                    timeout=int(timeout),
                    sender=sender,
                    step=step,
                    deployment=deployment,
                    group=_processes(group),
                    detached=_processes(detached),
                )
            )
    return found


def unkept(printed: Iterable[str]) -> str:
    """Why no note can be kept on the node; empty if one can."""
    return next((line.partition("\t")[2] for line in printed if line.startswith("unkept\t")), "")


def _processes(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _word(text: str) -> str:
    """`text` as one field of a line."""
    return " ".join(text.split())
