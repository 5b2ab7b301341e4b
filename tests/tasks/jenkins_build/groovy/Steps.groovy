import java.nio.file.Files
import java.nio.file.StandardCopyOption
import java.util.concurrent.TimeUnit
import org.apache.tools.ant.DirectoryScanner
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

// The pipeline steps a generated Jenkinsfile calls, as its base class. A step or an argument of a step that is not
// here is an error: nothing is taken for granted.
abstract class Steps extends Script {
  Build shimBuild

  def getCurrentBuild() { shimBuild }
  def getEnv() { new Env(this) }
  void pipeline(Closure body) { new Declarative(this).run(body) }
  def script(Closure body) { body() }
  void stage(String name, Closure body) { body() }
  void parallel(Map branches) {
    boolean failFast = branches.failFast instanceof Boolean && branches.failFast
    shimBuild.parallel(branches.findAll { name, body -> body instanceof Closure }, failFast)
  }
  void echo(String text) { shimBuild.log(text) }
  void error(String text) { throw new Exception(text) }

  void node(String label = '', Closure body) {
    File workspace = new File(shimBuild.home, 'workspace/w' + shimBuild.number())
    workspace.mkdirs()
    new File(workspace.path + '@tmp').mkdirs()
    shimBuild.at([workspace: workspace], body)
  }

  void withEnv(List pairs, Closure body) {
    Map added = pairs.collectEntries { String pair -> pair.split('=', 2).toList() }
    shimBuild.at([variables: shimBuild.here.variables + added], body)
  }

  void withCredentials(List bindings, Closure body) {
    Map added = [:]
    for (binding in bindings) {
      Map login = shimBuild.given.credentials[binding.credentialsId]
      if (login == null) {
        error("Could not find credentials entry with ID '${binding.credentialsId}'")
      }
      added[binding.usernameVariable] = login.username
      added[binding.passwordVariable] = login.password
      shimBuild.masks.addAll([login.username, login.password])
    }
    shimBuild.at([variables: shimBuild.here.variables + added], body)
  }

  Map usernamePassword(Map options) { options }
  Map choice(Map options) { options }

  void timeout(Map options, Closure body) {
    assert options.unit == 'SECONDS'
    Build.Deadline deadline = new Build.Deadline(at: System.currentTimeMillis() + 1000L * options.time)
    shimBuild.at([deadlines: shimBuild.here.deadlines + [deadline]], body)
  }

  void retry(int count, Closure body) {
    for (int tried = 1; ; tried++) {
      try {
        body()
        return
      } catch (Exception e) {
        if (tried >= count || e instanceof FlowInterruptedException && e.actual) {
          throw e
        }
        echo("ERROR: ${e.message}\nRetrying")
      }
    }
  }

  void catchError(Map options, Closure body) {
    known(options, ['buildResult', 'stageResult', 'catchInterruptions'])
    try {
      body()
    } catch (Exception e) {
      if (e instanceof FlowInterruptedException && options.catchInterruptions == false) {
        throw e
      }
      echo("ERROR: ${e.message}")
      shimBuild.worsen(options.buildResult)
    }
  }

  void sleep(Map options) {
    assert options.unit == 'SECONDS'
    long until = System.currentTimeMillis() + 1000L * options.time
    shimBuild.await { Thread.sleep(20); System.currentTimeMillis() >= until }
  }

  // Answered from the test case: [what, {parameter: value}]; an input without an answer waits.
  def input(Map options) {
    List answer = shimBuild.given.answers[options.id]
    if (answer == null) {
      shimBuild.await { Thread.sleep(20); false }
    }
    if (answer[0] == 'abort') {
      throw new FlowInterruptedException('Rejected', true)
    }
    return options.parameters ? answer[1][options.parameters[0].name] : null
  }

  def sh(Map options) {
    known(options, ['script', 'label', 'returnStatus', 'returnStdout', 'encoding'])
    assert !(options.returnStatus && options.returnStdout)
    File control = new File(here().path + '@tmp', 'durable-' + shimBuild.number())
    control.mkdirs()
    File log = new File(control, 'log')
    File output = new File(control, 'output')
    Process process = started(options.script.toString(), control, log, options.returnStdout ? output : null)
    try {
      shimBuild.await({ process.waitFor(50, TimeUnit.MILLISECONDS) }) { Build.ended(process) }
    } finally {
      echo(log.getText('UTF-8'))
    }
    int code = process.exitValue()
    if (options.returnStatus) {
      return code
    }
    if (code != 0) {
      error("script returned exit code ${code}")
    }
    return options.returnStdout ? output.getText('UTF-8') : null
  }

  private Process started(String text, File control, File log, File output) {
    File script = new File(control, 'script.sh')
    script.setText(text, 'UTF-8')
    script.executable = true
    ProcessBuilder builder = new ProcessBuilder(text.startsWith('#!') ? [script.path] : ['/bin/sh', '-xe', script.path])
    builder.directory(here()).redirectInput(new File('/dev/null')).redirectError(log)
    builder.redirectOutput(output ? ProcessBuilder.Redirect.to(output) : ProcessBuilder.Redirect.appendTo(log))
    if (!output) {
      builder.redirectErrorStream(true)
    }
    Map variables = builder.environment()
    variables.putAll(agentVariables().collectEntries { name, value -> [name, value.toString()] })
    variables.values().removeAll { it == '' }
    for (int tries = 0; ; tries++) {
      try {
        return builder.start()
      } catch (IOException e) {
        // A thread that starts another process holds our script open for a moment.
        if (tries == 100 || !e.message.contains('Text file busy')) {
          throw e
        }
        Thread.sleep(10)
      }
    }
  }

  void deleteDir() {
    here().deleteDir()
    here().mkdirs()
  }

  // Copies the prepared repository, whatever is asked for: what is fetched is git's and the plugin's business.
  Map checkout(Map given) {
    Map scm = given.scm ?: given
    known(given - scm, ['scm', 'changelog', 'poll'])
    known(scm, ['$class', 'branches', 'userRemoteConfigs', 'extensions'])
    List git = ['git', '-c', 'advice.detachedHead=false']
    String url = scm.userRemoteConfigs[0].url
    plain(git + ['clone', '-q', '--no-checkout', url, here().path])
    plain(git + ['-C', here().path, 'checkout', '-q', scm.branches[0].name])
    Process said = new ProcessBuilder('git', '-C', here().path, 'rev-parse', 'HEAD').start()
    return [GIT_COMMIT: said.inputStream.text.trim(), GIT_URL: url, GIT_BRANCH: 'origin/main']
  }

  private void plain(List command) {
    Process process = new ProcessBuilder(command*.toString()).redirectErrorStream(true).start()
    String output = shimBuild.away { process.inputStream.text }
    if (process.waitFor() != 0) {
      error(output)
    }
  }

  void stash(Map options) {
    known(options, ['name', 'includes', 'excludes', 'allowEmpty', 'useDefaultExcludes'])
    List files = matching(options.includes, options.excludes)
    if (!files && !options.allowEmpty) {
      error('No files included in stash ' + options.name)
    }
    File folder = new File(shimBuild.home, 'stashes/s' + shimBuild.number())
    copied(files, here(), folder)
    shimBuild.stashes[options.name] = folder
  }

  void unstash(String name) {
    File folder = shimBuild.stashes[name]
    if (folder == null) {
      error("No such saved stash '${name}'")
    }
    copied(matchingIn(folder, '**', ''), folder, here())
  }

  void archiveArtifacts(Map options) {
    known(options, ['artifacts', 'excludes', 'allowEmptyArchive', 'defaultExcludes', 'fingerprint'])
    List files = matching(options.artifacts, options.excludes)
    if (!files && !options.allowEmptyArchive) {
      error('No artifacts found that match the file pattern')
    }
    copied(files, here(), new File(shimBuild.home, 'archive'))
  }

  void junit(Map options) {
    known(options, ['testResults', 'allowEmptyResults', 'skipPublishingChecks', 'skipMarkingBuildUnstable'])
    matching(options.testResults, '').each { shimBuild.log("junit report ${it}") }
  }

  boolean fileExists(String path) { new File(here(), path).exists() }
  String readFile(String path) { new File(here(), path).getText('UTF-8') }
  String readFile(Map options) {
    known(options, ['file', 'encoding'])
    return new File(here(), options.file).getText(options.encoding ?: 'UTF-8')
  }
  void writeFile(Map options) {
    File file = options.file.startsWith('/') ? new File(options.file.toString()) : new File(here(), options.file)
    file.setText(options.text, options.encoding ?: 'UTF-8')
  }

  private List matching(String includes, String excludes) { matchingIn(here(), includes, excludes) }

  private static List matchingIn(File folder, String includes, String excludes) {
    if (!folder.exists()) {
      return []
    }
    DirectoryScanner scanner = new DirectoryScanner()
    scanner.basedir = folder
    scanner.includes = includes.split(/\s*,\s*/)
    scanner.excludes = excludes ? excludes.split(/\s*,\s*/) : new String[0]
    scanner.scan()
    return scanner.includedFiles.toList()
  }

  private static void copied(List files, File from, File to) {
    for (name in files) {
      File target = new File(to, name)
      target.parentFile.mkdirs()
      Files.copy(new File(from, name).toPath(), target.toPath(), StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.COPY_ATTRIBUTES)
    }
  }

  private File here() {
    if (shimBuild.here.workspace == null) {
      error('Required context class hudson.FilePath is missing')
    }
    return shimBuild.here.workspace
  }

  // Empty ones are unset, as Jenkins has it.
  // What the script was read from.
  Map getScm() {
    if (shimBuild.given.scm == null) {
      error('no source control')
    }
    return shimBuild.given.scm
  }

  Map agentVariables() {
    Map all = [JOB_NAME: 'app', BUILD_NUMBER: '7', BUILD_TAG: 'jenkins-app-7', BUILD_URL: 'http://jenkins.test/job/app/7/', EXECUTOR_NUMBER: '0']
    all += [PATH: shimBuild.given.path] + shimBuild.given.parameters + shimBuild.set + shimBuild.here.variables
    if (shimBuild.here.workspace) {
      all += [WORKSPACE: shimBuild.here.workspace.path, WORKSPACE_TMP: shimBuild.here.workspace.path + '@tmp']
    }
    return all.findAll { it.value }
  }

  private static void known(Map options, List names) {
    Collection others = options.keySet() - names
    if (others) {
      throw new IllegalArgumentException("unknown arguments ${others}")
    }
  }
}
