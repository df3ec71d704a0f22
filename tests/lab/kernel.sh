# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2154 # root, lab: of run
#
# kernel.sh - the lab's kernels: built once, found by the hash of their inputs
#
# Sourced by tests/lab/run; this file is itself one of the inputs. In the cache:
#   FLAVOUR-KEY/  bzImage, vmlinux, config, build.log: complete, or not there
#   tree-FLAVOUR/ the unpacked tree, kept for the next build: a change of
#                 src/kernel is then compiled in a minute, not in ten
#   lock-FLAVOUR  held while tree-FLAVOUR is worked on

source_package=linux-source-6.12
source_tar=/usr/src/$source_package.tar.xz
# shellcheck disable=SC2034 # used by run
build_packages="$source_package gcc libc6-dev make bc flex bison libelf-dev
	xz-utils"
system_cache=/var/cache/ringfence-lab
kept_entries=3

# Nothing of the machine that builds is in the kernel.
export KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970'

kernel_cache()
{
	if [ -n "${RINGFENCE_LAB_CACHE:-}" ]; then
		echo "$RINGFENCE_LAB_CACHE"
	elif [ "$(id -u)" = 0 ]; then
		echo "$system_cache"
	else
		echo "${XDG_CACHE_HOME:-$HOME/.cache}/ringfence-lab"
	fi
}

# The fragments of a flavour, in the order in which they are applied.
kernel_fragments()
{
	echo "$lab/kernel.config"
	[ "$1" = plain ] || echo "$lab/$1.config"
}

# A name for all that the kernel is made from.
kernel_key()
{
	local flavour=$1 fragments

	mapfile -t fragments < <(kernel_fragments "$flavour")
	{
		# shellcheck disable=SC2016 # dpkg's variable
		dpkg-query -W -f '${Version}\n' "$source_package"
		gcc -dumpfullversion
		cat "${fragments[@]}" "$lab/kernel.sh"
		if [ -d "$root/src/kernel" ]; then
			cd "$root/src/kernel" || exit 1
			find . -type f | LC_ALL=C sort | xargs sha256sum
			cat "$root/include/ringfence/kvm_coalesced2.h"
		fi
	} | sha256sum | cut -c 1-16
}

# Print the directory of a finished kernel; 1: there is none.
kernel_find()
{
	local flavour=$1 key dir

	key=$(kernel_key "$flavour" 2> /dev/null) || return 1
	for dir in "$(kernel_cache)" "$system_cache"; do
		if [ -f "$dir/$flavour-$key/bzImage" ]; then
			echo "$dir/$flavour-$key"
			return 0
		fi
	done
	return 1
}

# Every option asked for must have survived: `make olddefconfig` drops one
# whose dependency is missing without a word.
kernel_check_config()
{
	local config=$1 line missing=0

	shift
	while IFS= read -r line; do
		case $line in
		CONFIG_*)
			grep -qxF "$line" "$config" && continue ;;
		"# CONFIG_"*" is not set")
			line=${line#"# "}
			grep -q "^${line%% *}=" "$config" || continue ;;
		*)
			continue ;;
		esac
		echo "lab: the kernel's configuration did not take: $line"
		missing=1
	done < <(cat "$@")
	return $missing
}

kernel_configure()
{
	local tree=$1 fragments

	shift
	fragments=("$@")
	# In a file of its own first: a .config that is the same keeps its
	# time, and what was compiled by it stays.
	make -C "$tree" -s KCONFIG_CONFIG=.config.new tinyconfig || return 1
	cat "${fragments[@]}" >> "$tree/.config.new"
	make -C "$tree" -s KCONFIG_CONFIG=.config.new olddefconfig 2>&1 |
		grep -v 'override: reassigning to symbol'
	kernel_check_config "$tree/.config.new" "${fragments[@]}" || return 1
	if ! cmp -s "$tree/.config.new" "$tree/.config"; then
		mv "$tree/.config.new" "$tree/.config"
	fi
}

kernel_unpack()
{
	local tree=$1 version

	# shellcheck disable=SC2016 # dpkg's variable
	version=$(dpkg-query -W -f '${Version}' "$source_package")
	[ "$(cat "$tree/.lab/version" 2> /dev/null)" = "$version" ] && return 0
	echo "unpacking $source_tar"
	rm -rf "$tree"
	mkdir -p "$tree" || return 1
	tar -xf "$source_tar" -C "$tree" --strip-components=1 || return 1
	mkdir "$tree/.lab" || return 1
	echo "$version" > "$tree/.lab/version"
}

# src/kernel as it is now, on a tree that may carry an older one: the files that
# one touched are made pristine first. A file that ends up as it was keeps its
# time, so that make compiles only what changed.
kernel_apply()
{
	local tree=$1 was file

	was=$tree/.lab/applied
	rm -rf "$was.old"
	if [ -d "$was" ]; then
		mv "$was" "$was.old"
		(cd "$was.old" && find . -type f -printf '%P\n') |
			while IFS= read -r file; do
				rm -f "$tree/$file"
				echo "$source_package/$file"
			done > "$tree/.lab/list"
		# Our own new files are not in the archive.
		tar -xmf "$source_tar" -C "$tree" --strip-components=1 \
			-T "$tree/.lab/list" 2> /dev/null || true
	fi
	[ -x "$root/src/kernel/apply" ] || return 0
	# find -newer sees what a later second sees.
	touch "$tree/.lab/before"
	sleep 1.1
	"$root/src/kernel/apply" "$tree" || return 1
	mkdir "$was"
	(cd "$tree" && find . -path ./.lab -prune -o -type f \
		-newer .lab/before -printf '%P\n') |
		while IFS= read -r file; do
			mkdir -p "$was/$(dirname "$file")"
			cp -p "$tree/$file" "$was/$file"
			if cmp -s "$was/$file" "$was.old/$file"; then
				touch -r "$was.old/$file" "$tree/$file" \
					"$was/$file"
			fi
		done
}

# make, its output in LOG, a line of progress every 20 seconds.
kernel_make()
{
	local tree=$1 log=$2 pid start=$SECONDS

	nice -n "${RINGFENCE_LAB_NICE:-0}" make -C "$tree" -j"$(nproc)" bzImage \
		>> "$log" 2>&1 &
	pid=$!
	lab_started+=("$pid")
	while kill -0 "$pid" 2> /dev/null; do
		sleep 1
		if [ $(((SECONDS - start) % 20)) = 19 ]; then
			printf '  %d files compiled, %d s\n' \
				"$(grep -c '^  CC ' "$log")" $((SECONDS - start))
		fi
	done
	wait "$pid"
}

# In a subshell that holds the flavour's lock.
kernel_build_locked()
{
	local flavour=$1 cache=$2 dir=$3 tree log fragments

	tree=$cache/tree-$flavour
	log=$cache/build-$flavour.log
	mapfile -t fragments < <(kernel_fragments "$flavour")
	: > "$log"
	kernel_unpack "$tree" || return 1
	kernel_apply "$tree" || return 1
	kernel_configure "$tree" "${fragments[@]}" || return 1
	echo "compiling; the log is $log"
	if ! kernel_make "$tree" "$log"; then
		tail -n 30 "$log"
		echo "lab: the $flavour kernel does not build: $log"
		return 1
	fi
	rm -rf "$dir.new"
	mkdir "$dir.new" || return 1
	cp "$tree/arch/x86/boot/bzImage" "$tree/vmlinux" "$log" "$dir.new/" &&
		cp "$tree/.config" "$dir.new/config" || return 1
	mv "$dir.new" "$dir" || return 1
	find "$cache" -maxdepth 1 -type d -name "$flavour-*" \
		-printf '%T@ %p\n' | sort -rn | cut -d ' ' -f 2- |
		tail -n +$((kept_entries + 1)) | xargs -r -d '\n' rm -rf
}

# Build a kernel unless it is there. Everything said goes to standard error.
kernel_build()
{
	local flavour=$1 cache key dir

	kernel_find "$flavour" > /dev/null && return 0
	cache=$(kernel_cache)
	key=$(kernel_key "$flavour") || return 1
	dir=$cache/$flavour-$key
	mkdir -p "$cache" || return 1
	{
		if ! flock -n 9; then
			echo "waiting: another run builds the $flavour kernel"
			flock 9
		fi
		if [ ! -f "$dir/bzImage" ]; then
			echo "building the $flavour kernel: the first time" \
				"takes $([ "$flavour" = plain ] && echo 10 ||
				echo 30) minutes on two processors"
			kernel_build_locked "$flavour" "$cache" "$dir"
		fi
	} 9> "$cache/lock-$flavour" >&2
}
