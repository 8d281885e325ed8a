# bash completion for cordon(1)
_cordon() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' word options=''

	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in
		scan | explain | list | status | check-config | dump-config | reload | attach | detach | \
			version | filter | deliver | reinject | smtp | opensmtpd | qmail-queue)
			command=$word
			break
			;;
		esac
	done
	if [[ $prev == -c || $prev == --config-dir || $prev == --config-file || $prev == --program ||
		$prev == --state-dir || $prev == --sendmail || $prev == --qmail-queue ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
	fi
	case $command in
	'')
		options='scan explain list status check-config dump-config reload attach detach version'
		options+=' filter deliver reinject smtp opensmtpd qmail-queue'
		;;
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
	smtp | opensmtpd) options='--listener --local --no-local -c' ;;
	filter | deliver | reinject | qmail-queue)
		options='-f --listener --infected --client --client-name --helo --user --queue-id'
		options+=' --local --no-local -c'
		[[ $command == reinject ]] && options+=' --sendmail'
		[[ $command == qmail-queue ]] && options+=' --qmail-queue'
		[[ $prev == --infected ]] && options='reject discard tempfail'
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
