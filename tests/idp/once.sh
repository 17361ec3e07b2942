# Sourced by the install and start scripts. Packages live outside the tree, one folder per set of
# pinned files, so that a changed pin is a new folder and an old checkout keeps working.

# home_of NAME FILE…: prints the folder of NAME as the FILEs pin it.
home_of() {
  home_name=$1
  shift
  printf '%s/%s-%s\n' "${PARAPET_TEST_CACHE:-${HOME:?}/.cache/parapet-tests}" "$home_name" \
    "$(cat "$@" | sha256sum | cut -c 1-16)"
}

# once DIR COMMAND…: runs COMMAND in a fresh DIR, unless an earlier run finished there. A second
# run waits for the first; a run that was broken off is started again from nothing.
once() {
  once_dir=$1
  shift
  if [ -e "$once_dir/.complete" ]; then return; fi
  mkdir -p "$(dirname "$once_dir")"
  (
    flock 9
    if [ -e "$once_dir/.complete" ]; then exit; fi
    rm -rf "$once_dir"
    mkdir "$once_dir"
    cd "$once_dir"
    "$@" 9>&-
    touch .complete
  ) 9>"$once_dir.lock"
}
