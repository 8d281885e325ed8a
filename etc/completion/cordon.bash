# bash completion for cordon(1)
_cordon() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' word options=''

	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in
		scan | explain | list | status | check-config | dump-config | reload | attach | detach | version)
			command=$word
			break
			;;
		esac
	done
	if [[ $prev == -c || $prev == --config-dir || $prev == --config-file || $prev == --program ||
		$prev == --state-dir ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
	fi
	case $command in
	'') options='scan explain list status check-config dump-config reload attach detach version' ;;
	scan | list) options='--json --local -c' ;;
	explain) options='--local -c' ;;
	status) options='--json -c' ;;
	dump-config) options='--defaults -c' ;;
	check-config | reload) options='-c' ;;
	attach | detach)
		options='postfix sendmail exim opensmtpd --dry-run --yes --listener --address --next-hop'
		options+=' --config-dir --config-file --program --reload-command --port --sender'
		options+=' --recipient --no-test --no-reload --state-dir'
		[[ $command == attach ]] && options+=' -c --mode --check'
		[[ $prev == --mode ]] && options='milter proxy filter clamd'
		;;
	esac
	if [[ $command == scan || $command == explain || $command == list ]] && [[ $cur != -* ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
}
complete -F _cordon cordon
