"""Java and Kotlin: Maven, Gradle, or one source file."""

import posixpath
import re

from better_paas.builders import procfile, versions
from better_paas.builders.files import Files, exists
from better_paas.builders.folders import parents, within
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides

_JAR = "/app/app.jar"
# Where they leave archives, in the build itself and in its modules; Quarkus has a folder of its own.
_MAVEN_LEAVES = ("target", "target/quarkus-app")
_GRADLE_LEAVES = ("build/libs", "build/quarkus-app")
_NO_PROGRAMS = ("-plain.jar", "-sources.jar", "-javadoc.jar", "-tests.jar", "/original-")
# Of the build itself, and of its parts one folder down.
_GRADLE = re.compile(r"(?:[\w.-]+/)?(?:build|settings)\.gradle(?:\.kts)?")
_GRADLE_TOP = tuple(f"{kind}.gradle{end}" for kind in ("build", "settings") for end in ("", ".kts"))
_FOLDER = re.compile(r"[\w.-]++(?>/[\w.-]++)*+")
_SPRING = "org.springframework.boot"

_IN_BUILD_FILE = (
    r"<(?:java\.version|maven\.compiler\.(?:release|source|target)|release)>([\d.]+)<",
    r"JavaLanguageVersion\.of\((\d+)\)",
    r"jvmToolchain\((\d+)\)",
    r"(?:source|target)Compatibility\s*+(?:=\s*+)?['\"]?(?:JavaVersion\.VERSION_)?([\d._]+)",
)


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if this is no Java source. Errors: NoPlan if it needs a tool that is not there."""
    return _plan(files, "", overrides)


def top_of(tree: Files, folder: str) -> str | None:
    """The folder whose wrapper builds the part of a Gradle build in `folder`; None if it has its own, or is none."""
    names = [name for name in ("pom.xml", "gradlew", *_GRADLE_TOP) if exists(tree, f"{folder}/{name}")]
    if not _FOLDER.fullmatch(folder) or not names or names[0] in ("pom.xml", "gradlew"):
        return None
    return next((parent for parent in parents(folder) if exists(tree.below(parent), "gradlew")), None)


def member(top: Files, folder: str, overrides: Overrides) -> BuildPlan | None:
    """The plan of a part of a Gradle build. Errors: NoPlan."""
    return _plan(top, folder, overrides)


def _plan(top: Files, folder: str, overrides: Overrides) -> BuildPlan | None:
    files = top.below(folder)
    names = set(files.names())
    maven = files.read("pom.xml")
    # A part alone is no build: apps for telephones have one in a folder of their own.
    is_gradle = any(name in names for name in ("gradlew", *_GRADLE_TOP))
    gradle = [files.head(name) or "" for name in files.names() if _GRADLE.fullmatch(name)]
    gradle += [top.head(name) or "" for name in _GRADLE_TOP if folder]
    start = procfile.start(files, overrides, f"java -Dserver.port=$PORT -jar {_JAR}")
    commands = [start, overrides.release_command, *overrides.processes.values(), *procfile.commands(files).values()]
    if maven is not None:
        tool, build, leaves, text = "maven", _maven(names), _MAVEN_LEAVES, maven
    elif gradle and is_gradle:
        tool, build, leaves = "gradle", _gradle(names, folder, overrides, commands), _GRADLE_LEAVES
        text = "\n".join(gradle)
    elif "Main.java" in names:
        return _single_file(files, overrides)
    else:
        return None
    if _run_the_jar(commands):
        build = f"{build} && {_take_jar(leaves, folder)}"
    return BuildPlan(
        runtime="java",
        version=wanted_version(files, "") or wanted_version(top, text),
        framework="Spring Boot" if _SPRING in text else "Quarkus" if "io.quarkus" in text else "",
        package_manager=tool,
        install=within(folder, overrides.install_command),
        build=overrides.build_command or build,
        start=start,
        folder=folder,
    )


def _single_file(files: Files, overrides: Overrides) -> BuildPlan:
    return BuildPlan(
        runtime="java",
        version=wanted_version(files, ""),
        install=overrides.install_command,
        build=overrides.build_command or "javac -d /app/classes *.java",
        start=procfile.start(files, overrides, "java -cp /app/classes Main"),
    )


def _maven(names: set[str]) -> str:
    program = "sh ./mvnw" if "mvnw" in names else "mvn"
    return f"{program} -q -B -DskipTests package"


def _gradle(names: set[str], folder: str, overrides: Overrides, commands: list[str]) -> str:
    if "gradlew" not in names and not folder and not overrides.build_command:
        raise NoPlan(
            "this Gradle build has no wrapper (gradlew)", "Add it with 'gradle wrapper', commit it, and push again."
        )
    # What Procfiles of Ktor and others start: a folder with a program, and with the libraries of it.
    install = " installDist" if any("build/install/" in command for command in commands) else ""
    # From a part's folder it builds that part, with the others that it needs.
    place = posixpath.relpath(".", folder) if folder else "."
    return f"sh {place}/gradlew --no-daemon -q assemble{install}"


def _run_the_jar(commands: list[str]) -> bool:
    """Whether some command needs it: others run classes, or an archive where it was made."""
    return any(re.search(r"(?<![\w./-])(?>/app/|\./)?+app\.jar(?![\w.-])", command) for command in commands)


def _take_jar(folders: tuple[str, ...], place: str) -> str:
    """A link to the newest archive whose manifest names a program.

    It is no copy: the manifest may name libraries by their place beside it, and Java looks for them where links lead.
    """
    archives = " ".join(f"{part}{folder}/*.jar" for part in ("", "*/") for folder in folders)
    jar = f"/app/{place}/$jar" if place else "/app/$jar"
    others = " ".join(f"-e '{part}'" for part in _NO_PROGRAMS)
    return (
        f"ls -t {archives} 2> /dev/null | grep -v {others} | (while read -r jar; do rm -rf /tmp/META-INF; "
        f'cd /tmp && jar xf "{jar}" META-INF/MANIFEST.MF && grep -qs ^Main-Class: META-INF/MANIFEST.MF'
        f' && exec ln -sf "{jar}" {_JAR}; done; '
        "echo 'The build left no jar that can be started: none has a Main-Class in its manifest.' >&2; exit 1)"
    )


def wanted_version(files: Files, text: str) -> str:
    """8, 17, 21 …: from system.properties, .java-version, mise.toml, .tool-versions or the build file; else ""."""
    sources = [
        *re.findall(r"java\.runtime\.version\s*+=\s*+([\d.]+)", files.read("system.properties") or ""),
        versions.own_file(".java-version", files),
        versions.pinned("java", files),
        *(found[1] for pattern in _IN_BUILD_FILE if (found := re.search(pattern, text))),
    ]
    for source in sources:
        # Until its ninth version Java counted 1.8; distributions put their names in front.
        if match := re.search(r"(?:1\.)?(\d{1,3})", source.replace("_", ".")):
            return match[1]
    return ""
