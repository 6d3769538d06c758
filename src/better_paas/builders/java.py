"""Java and Kotlin: Maven, Gradle, or one source file."""

import re

from better_paas.builders import procfile, versions
from better_paas.builders.files import Files
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides

_JAR = "/app/app.jar"
# Of the build itself, and of its parts one folder down.
_GRADLE = re.compile(r"(?:[\w.-]+/)?(?:build|settings)\.gradle(?:\.kts)?")
_GRADLE_TOP = tuple(f"{kind}.gradle{end}" for kind in ("build", "settings") for end in ("", ".kts"))
_SPRING = "org.springframework.boot"

_IN_BUILD_FILE = (
    r"<(?:java\.version|maven\.compiler\.(?:release|source|target)|release)>([\d.]+)<",
    r"JavaLanguageVersion\.of\((\d+)\)",
    r"jvmToolchain\((\d+)\)",
    r"(?:source|target)Compatibility\s*+(?:=\s*+)?['\"]?(?:JavaVersion\.VERSION_)?([\d._]+)",
)


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if this is no Java source. Errors: NoPlan if it needs a tool that is not there."""
    names = set(files.names())
    maven = files.read("pom.xml")
    # A part alone is no build: apps for telephones have one in a folder of their own.
    is_gradle = any(name in names for name in ("gradlew", *_GRADLE_TOP))
    gradle = [files.head(name) or "" for name in files.names() if _GRADLE.fullmatch(name)]
    if maven is not None:
        tool, build, text = "maven", _maven(names), maven
    elif gradle and is_gradle:
        tool, build, text = "gradle", _gradle(names, overrides), "\n".join(gradle)
    elif "Main.java" in names:
        return _single_file(files, overrides)
    else:
        return None
    return BuildPlan(
        runtime="java",
        version=wanted_version(files, text),
        framework="Spring Boot" if _SPRING in text else "Quarkus" if "io.quarkus" in text else "",
        package_manager=tool,
        install=overrides.install_command,
        build=overrides.build_command or build,
        start=procfile.start(files, overrides, f"java -Dserver.port=$PORT -jar {_JAR}"),
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
    return f"{program} -q -B -DskipTests package && {_take_jar('target')}"


def _gradle(names: set[str], overrides: Overrides) -> str:
    if "gradlew" not in names and not overrides.build_command:
        raise NoPlan(
            "this Gradle build has no wrapper (gradlew)", "Add it with 'gradle wrapper', commit it, and push again."
        )
    at_top = "build.gradle" in names or "build.gradle.kts" in names
    return f"sh ./gradlew --no-daemon -q assemble && {_take_jar('build/libs' if at_top else '*/build/libs')}"


def _take_jar(folder: str) -> str:
    """The runnable archive: the newest that is neither sources nor the plain one beside Spring's."""
    listing = f"ls -t {folder}/*.jar {folder}/quarkus-app/quarkus-run.jar 2> /dev/null"
    return f"cp $({listing} | grep -v -e '-plain.jar' -e '-sources.jar' -e 'original-' | head -n 1) {_JAR}"


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
