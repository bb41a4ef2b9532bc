"""What pgcertctl can be asked, by its own --help; and where text asks something of it."""
import re
import subprocess


class Commands:
    """The commands of one build of pgcertctl with their options."""

    def __init__(self, program):
        self.program = program
        self.globals, self.top = self._help()
        self.options = {}
        for command in self.top:
            self._add(command)

    def _help(self, *command):
        text = subprocess.run([self.program, *command, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
        options, _, below = text.partition("Subcommands:")
        below = below.partition("Global options:")[0]
        return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", options)), re.findall(r"^  ([a-z-]+) ", below, re.M)

    def _add(self, command):
        options, below = self._help(*command.split())
        if not below or options - {"-h", "--help"}:   # a group has none; what has both a command and options runs by itself too
            self.options[command] = options | self.globals
        for word in below:
            self._add(f"{command} {word}")

    def complaint(self, words):
        """Why "pgcertctl WORDS" is no command of this version; None when it is one."""
        words = self._without_globals(words)
        named = [w for w in words if not w.startswith("-")]
        if not named and words and set(words) <= self.globals:
            return None
        for command in (" ".join(named[:2]), " ".join(named[:1])):
            if command in self.options:
                unknown = [w.partition("=")[0] for w in words if w.startswith("-") and w != "-" and w.partition("=")[0] not in self.options[command]]
                return f"{command} has no option {unknown[0]}" if unknown else None
        return f"there is no command \"{' '.join(named[:2])}\""

    @staticmethod
    def _without_globals(words):
        """Values of --config and --timeout before the command are no command."""
        out, skip = [], False
        for word in words:
            if skip:
                skip = False
            elif word in ("--config", "--socket", "--timeout", "--color"):
                skip = True
            else:
                out.append(word)
        return out


def asked(code):
    """The words after each "pgcertctl" in a piece of shell or of a message, up to where the command ends."""
    code = code.replace("\\\n", " ")
    for found in re.finditer(r"(?<![\w/.-])pgcertctl ((?:[^\n|;&<>`()#\"':,]|,(?! ))*)", code):
        words = found.group(1).split()
        if words and (words[0].startswith("-") or re.fullmatch(r"[a-z]+", words[0])):
            yield words
