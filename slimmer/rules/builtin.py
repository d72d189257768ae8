"""The list of built-in rules, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Sequence

from cntr_core.rules import Rule

from .application import Application
from .certificates import Certificates
from .databases import PackageDatabases
from .directories import SmallDirectories
from .elf import Elf
from .home_scripts import HomeScripts
from .language_packages import LanguagePackages
from .libc import Libc
from .libraries import LanguageLibrary, PerlLibrary, PhpLibrary, PythonLibrary, RubyLibrary, RubyTools
from .maven_repository import MavenRepository
from .named_modules import NamedModules
from .node_requires import NodeRequires
from .package_metadata import PackageMetadata
from .php_pages import PhpPages
from .presets import CarefulPresets, Presets
from .programs import PackagePrograms, ProgramLinks
from .python import Python, PythonPackages
from .python_data import PythonData
from .python_imports import PythonImports
from .python_libraries import PythonLibraries
from .script_commands import ScriptCommands, ScriptInterpreters
from .script_requires import ScriptRequires
from .scripts import Shebang
from .shell_tools import ShellTools
from .started_programs import StartedPrograms
from .timezones import Timezones
from .translations import Translations
from .users import Users
from .volumes import Volumes
from .web_assets import WebAssets

RULES: Sequence[Rule] = (
    Elf(),
    Libc(),
    Shebang(),
    ScriptCommands(),
    ScriptInterpreters(),
    HomeScripts(),
    StartedPrograms(),
    ShellTools(),
    PackagePrograms(),
    ProgramLinks(),
    Users(),
    Certificates(),
    Timezones(),
    NamedModules(),
    Python(),
    PythonPackages(),
    PythonImports(),
    PythonData(),
    PythonLibraries(),
    NodeRequires(),
    ScriptRequires(),
    PackageMetadata(),
    MavenRepository(),
    LanguagePackages(),
    Presets(),
    CarefulPresets(),
    LanguageLibrary(),
    PythonLibrary(),
    RubyLibrary(),
    RubyTools(),
    PerlLibrary(),
    PhpLibrary(),
    PackageDatabases(),
    SmallDirectories(),
    Volumes(),
    Application(),
    PhpPages(),
    WebAssets(),
    Translations(),
)
