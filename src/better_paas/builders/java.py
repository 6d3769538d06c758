"""Java and Kotlin: Maven, Gradle, or one source file."""

import re

from better_paas.builders import procfile
from better_paas.builders.files import Files
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides

_JAR = "/app/app.jar"
_SPRING = "org.springframework.boot"


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if this is no Java source. Errors: NoPlan if it needs a tool that is not there."""
    names = set(files.names())
    maven = files.read("pom.xml")
    gradle = files.read("build.gradle") or files.read("build.gradle.kts")
    if maven is not None:
        tool, build = "maven", _maven(names)
    elif gradle is not None:
        tool, build = "gradle", _gradle(names, overrides)
    elif "Main.java" in names:
        return _single_file(files, overrides)
    else:
        return None
    text = maven or gradle or ""
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
    return f"sh ./gradlew --no-daemon -q assemble && {_take_jar('build/libs')}"


def _take_jar(folder: str) -> str:
    """The runnable archive: the newest that is neither sources nor the plain one beside Spring's."""
    listing = f"ls -t {folder}/*.jar {folder}/quarkus-app/quarkus-run.jar 2> /dev/null"
    return f"cp $({listing} | grep -v -e '-plain.jar' -e '-sources.jar' -e 'original-' | head -n 1) {_JAR}"


def wanted_version(files: Files, text: str) -> str:
    """17, 21 …: from system.properties, .java-version or the build file; "" if nothing says."""
    sources = [files.read("system.properties") or "", files.read(".java-version") or "", text]
    patterns = (
        r"java\.runtime\.version\s*=\s*(\d+)",
        r"^(\d+)",
        r"<(?:java\.version|maven\.compiler\.(?:release|source)|release)>(\d+)<",
        r"JavaLanguageVersion\.of\((\d+)\)|JavaVersion\.VERSION_(\d+)",
    )
    for source, pattern in zip((*sources, text), patterns, strict=True):
        if match := re.search(pattern, source):
            return next(group for group in match.groups() if group)
    return ""
