# shellcheck shell=bash
# What install, upgrade and rollback share: releases side by side, of which one is current. Sourced, not run.
#
#   /opt/insiders/releases/NAME/app      what deploy/ holds
#   /opt/insiders/releases/NAME/venv     the virtual environment, or
#   /opt/insiders/releases/NAME/image    a file with the image's name
#   /opt/insiders/releases/NAME/schema   the form of Dagster's database that it brings; below, all forms that it knows
#   /opt/insiders/releases/NAME/source   a hash of what it was made from
#   /opt/insiders/releases/NAME/answered is there once everything has answered on this release
#   /opt/insiders/current, previous      links to a release; /opt/insiders/{app,venv} lead through `current`
#
# Switching is one renamed link, so no command ever finds half of a release.

# Another root than the system's: for images and tests. Then no user is made and systemd is not asked.
ROOT=${ROOT:-}
OPT=$ROOT/opt/insiders
ETC=$ROOT/etc/insiders
UNITS=$ROOT/etc/systemd/system
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# What is active on a box that works.
UNITS_THAT_RUN=(insiders-secrets.service insiders-migrate.service insiders-code.service insiders-web.service
  insiders-web-readonly.service insiders-dashboard.service insiders-proxy.service insiders-daemon.service
  insiders-liveness.timer)

say() { printf '%s: %s\n' "${0##*/}" "$1"; }
die() { printf '%s: %s\n' "${0##*/}" "$1" >&2; exit "${2:-1}"; }
usage() { sed -n '2,/^set -/{/^set -/!s/^# \{0,1\}//p}' "$0"; exit "${1:-2}"; }
as_root() { [ "$(id -u)" = 0 ] || [ -n "$ROOT" ] || die "run it with sudo."; }
# By numbers, which hold in another root, too.
own() { [ "$(id -u)" != 0 ] || chown "$@"; }
systemd() { [ -n "$ROOT" ] || systemctl "$@"; }

# What pip installs from.
SOURCES=(setup.py pyproject.toml constraints.txt insiders_assets notebooks)

# The hash of what a release is made from: of the image's name, or of everything that pip installs; and of deploy/.
hash_of_source() { # IMAGE or nothing
  local parts=(deploy)
  [ -n "$1" ] || parts+=("${SOURCES[@]}")
  {
    printf '%s\n' "$1"
    (cd "$HERE/.." && find "${parts[@]}" -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
  } | sha256sum | cut -d ' ' -f 1
}

# deploy/ as a release runs it. Who may execute what is said anew: a checkout that came through a bucket has lost it.
copy_app() { # folder of a release
  rm -rf "$1/app.new"
  cp -R "$HERE" "$1/app.new"
  chmod -R u=rwX,go=rX "$1/app.new"
  chmod 0755 "$1/app.new/bin/"*
  rm -rf "$1/app.old"
  [ ! -e "$1/app" ] || mv "$1/app" "$1/app.old"
  mv "$1/app.new" "$1/app"
  rm -rf "$1/app.old"
}

# Makes a release beside the others, without touching what runs; sets RELEASE to its name. One that was made before and
# not switched to (runs that did not finish in time, no snapshot yet) is taken as it is.
stage_release() { # IMAGE or nothing, PYTHON
  local image=$1 python=$2 folder unfinished now source number=1
  source=$(hash_of_source "$image")
  for folder in "$OPT"/releases/*; do
    if [ -s "$folder/schema" ] && [ "$(cat "$folder/source")" = "$source" ]; then
      RELEASE=${folder##*/}
      return
    fi
  done
  now=$(date -u +%Y%m%dT%H%M%SZ)
  RELEASE=$now
  while [ -e "$OPT/releases/$RELEASE" ]; do number=$((number + 1)); RELEASE=$now-$number; done
  folder=$OPT/releases/$RELEASE
  unfinished=$OPT/releases/.$RELEASE
  umask 022
  # A release that did not come to its end is none.
  trap 'rm -rf "$OPT/releases/${RELEASE:?}" "$OPT/releases/.$RELEASE"' EXIT
  mkdir -p "$unfinished"
  copy_app "$unfinished"
  if [ -n "$image" ]; then
    [ -n "$ROOT" ] || docker image inspect "$image" > /dev/null 2>&1 || docker pull "$image" ||
      die "the image $image is not there and cannot be pulled; log in to its registry (docker login), or load it."
    echo "$image" > "$unfinished/image"
  else
    [ -f "$HERE/../setup.py" ] || die "$HERE is not the deploy/ of a checkout, so there is nothing to install from."
    command -v "$python" > /dev/null || die "there is no $python; name another with --python (3.11, 3.12 or 3.13)."
    # Under its final name: a virtual environment's programs name their interpreter by its path.
    mv "$unfinished" "$folder"
    unfinished=$folder
    "$python" -m venv "$folder/venv"
    # From a copy: pip leaves build/ in the folder that it installs from, and installs what it finds there. A checkout
    # that was installed before would bring its files of then.
    mkdir "$folder/checkout"
    (cd "$HERE/.." && cp -R "${SOURCES[@]}" "$folder/checkout/")
    "$folder/venv/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check \
      -c "$folder/checkout/constraints.txt" "$folder/checkout[notebook]"
    rm -rf "$folder/checkout"
    "$folder/venv/bin/python" -m pip check
    # The services cannot write there, so what is not compiled now is compiled by every process.
    "$folder/venv/bin/python" -m compileall -q -j 0 "$folder/venv/lib" || true
  fi
  echo "$source" > "$unfinished/source"
  schema_of "$unfinished" > "$unfinished/schema" || die "the release does not start: see above."
  [ "$unfinished" = "$folder" ] || mv "$unfinished" "$folder"
  trap - EXIT
}

# The newest change of the database's form that this release's Dagster knows; in a second line every one that it knows.
schema_of() { # folder of a release
  local ask='import pathlib, dagster, alembic.script as a
known = a.ScriptDirectory(str(pathlib.Path(dagster.__file__).parent / "_core/storage/alembic"))
print(*known.get_heads())
print(*(one.revision for one in known.walk_revisions()))'
  if [ -e "$1/venv" ]; then
    "$1/venv/bin/python" -c "$ask"
  elif [ -n "$ROOT" ]; then
    printf 'unknown\nunknown\n'
  else
    docker run --rm --pull never --read-only --network none --cap-drop ALL "$(cat "$1/image")" python -c "$ask"
  fi
}
form_of() { sed -n 1p "$OPT/releases/$1/schema"; } # NAME of a release
knows_form() { # NAME of a release, form
  local one
  for one in $2; do [[ " $(sed -n 2p "$OPT/releases/$1/schema") " == *" $one "* ]] || return 1; done
}

release_of() { # current or previous
  [ -L "$OPT/$1" ] && basename "$(readlink "$OPT/$1")"
}

point() { # link, target
  ln -sfn "$2" "$1.new"
  mv -T "$1.new" "$1"
}

# Makes a release the current one: links and units. Restarts nothing.
switch_to() { # NAME
  local folder=$OPT/releases/$1 before file name
  [ -d "$folder/app" ] || die "there is no release $1."
  before=$(release_of current || true)
  point "$OPT/current" "releases/$1"
  point "$OPT/app" current/app
  point "$OPT/venv" current/venv
  # The way back leads to a release that has worked, however many were tried since; the first one is better than none.
  if [ -n "$before" ] && [ "$before" != "$1" ]; then
    if [ -e "$OPT/releases/$before/answered" ] || [ ! -L "$OPT/previous" ]; then
      point "$OPT/previous" "releases/$before"
    fi
  fi

  # Copied first, then what this release has not goes: whoever looks meanwhile finds each unit. Drop-ins of other names
  # (memory.conf) are the operator's and stay.
  mkdir -p "$UNITS/insiders-.service.d"
  cp "$folder"/app/systemd/*.{service,target,timer} "$UNITS/"
  cp "$folder/app/systemd/insiders-.service.d/common.conf" "$UNITS/insiders-.service.d/"
  for file in "$UNITS"/insiders-*.service "$UNITS"/insiders-*.timer; do
    if [ ! -e "$folder/app/systemd/${file##*/}" ]; then
      # Without its file nothing would ever stop it again, and it would hold its port.
      systemd stop "${file##*/}" || true
      rm -f "$file"
    fi
  done
  if [ -e "$folder/image" ]; then
    for file in "$folder"/app/systemd/container/*/container.conf; do
      name=$(basename "$(dirname "$file")")
      mkdir -p "$UNITS/$name"
      cp "$file" "$UNITS/$name/"
    done
    printf 'IMAGE=%s\n' "$(cat "$folder/image")" > "$ETC/image.env"
  else
    # Its being there is how the scripts know that the services run in containers.
    rm -f "$ETC/image.env"
  fi
  for file in "$UNITS"/insiders-*.service.d/container.conf; do
    name=$(basename "$(dirname "$file")")
    if [ ! -e "$folder/image" ] || [ ! -e "$folder/app/systemd/container/$name/container.conf" ]; then rm -f "$file"; fi
  done
  # What an operator has set: how much memory the code server and its runs may take.
  if [ ! -e "$UNITS/insiders-code.service.d/memory.conf" ]; then
    mkdir -p "$UNITS/insiders-code.service.d"
    cp "$folder/app/systemd/memory.conf.example" "$UNITS/insiders-code.service.d/memory.conf"
  fi
  systemd daemon-reload
}

# Stops what starts runs, and waits until none is under way; if that does not end well or is interrupted (a session that
# is lost), all is as before.
drain_or_go_back() { # SECONDS
  local ended=0
  if ! systemctl is-active --quiet insiders-code.service; then
    # Runs that died with it look as if they were under way until it starts again.
    say "the code server does not run, so there is nothing to wait for"
    return
  fi
  say "the daemon stops, and the runs under way get $1 s to finish"
  draining=
  trap interrupted HUP INT TERM
  systemctl stop insiders-liveness.timer insiders-daemon.service
  # In the background: a shell that waits for a command hears no signal.
  "$OPT/app/bin/as-service" insiders drain --wait "$1" &
  draining=$!
  wait "$draining" || ended=$?
  [ "$ended" != 0 ] || return 0
  go_back
  # The exit code of BusyError.
  [ "$ended" != 8 ] ||
    die "runs are still under way, so nothing was changed; the daemon goes on. Try later, or with a longer --wait."
  die "whether runs are under way could not be told (exit code $ended, see above), so nothing was changed; the daemon
  goes on."
}
go_back() {
  systemctl start insiders-daemon.service insiders-liveness.timer ||
    say "but the daemon does not start: journalctl -u insiders-daemon -n 50 --no-pager"
}
interrupted() {
  [ -z "$draining" ] || kill "$draining" 2>/dev/null || true
  go_back
  die "interrupted, so nothing was changed; the daemon goes on."
}

# From here on a lost session stops nothing half-way.
no_way_back() { trap '' HUP INT TERM; }

# Restarts everything on the current release and waits until it answers.
restart_and_check() {
  local began
  began=$(date +%s)
  # In the order of the units: down from the daemon, up from the migration.
  systemctl restart insiders.target || return 1
  trap - HUP INT TERM
  all_answer --since "$began" --wait 420
}

# Whether all units run and answer, which is noted in the release. The target itself starts whatever becomes of them.
all_answer() { # OPTIONS of liveness
  local unit
  "$OPT/app/bin/as-service" --host "$OPT/app/bin/liveness" "$@" || return 1
  for unit in "${UNITS_THAT_RUN[@]}"; do
    # Asked of a release of before this unit, too: by an upgrade from it, and by the way back to it.
    [ -e "$OPT/app/systemd/$unit" ] || continue
    systemctl is-active --quiet "$unit" || { say "$unit is not active"; return 1; }
  done
  touch "$OPT/current/answered"
}

# Removes all releases but the current one and the one to which the way back leads, and the images of those.
prune_releases() {
  local folder name image kept
  kept=" $(release_of current) $(release_of previous || true) "
  for folder in "$OPT"/releases/* "$OPT"/releases/.[!.]*; do
    name=${folder##*/}
    if [ ! -d "$folder" ] || [[ $kept == *" $name "* ]]; then continue; fi
    image=$(cat "$folder/image" 2>/dev/null || true)
    rm -rf "$folder"
    if [ -n "$image" ] && ! grep -qsxF "$image" "$OPT"/releases/*/image; then
      docker image rm "$image" > /dev/null || say "the image $image of release $name could not be removed"
    fi
  done
}
