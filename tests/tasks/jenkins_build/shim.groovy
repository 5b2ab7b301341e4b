// Runs a Jenkinsfile's own text under Groovy 2.4, the version in Jenkins, with toy steps: branches run one after the
// other, shell steps run for real, `node` is a new folder. Prints the marker lines and the result.
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.customizers.ImportCustomizer

abstract class Steps extends Script {
  static int nodes = 0
  static String result = 'SUCCESS'
  static Map stashed = [:]
  static File folder
  static File home
  List environment = []

  static void worsen(String other) {
    List order = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'ABORTED']
    result = order[Math.max(order.indexOf(result), order.indexOf(other))]
  }
  def getEnv() { [WORKSPACE: folder?.path, WORKSPACE_TMP: "${folder}@tmp".toString()] }
  def getCurrentBuild() { [currentResult: result] }
  void echo(String text) { println text }
  void error(String text) { throw new Exception(text) }
  void node(String label, Closure body) {
    folder = new File(home, "w${nodes++}")
    folder.mkdirs()
    new File("${folder}@tmp").mkdirs()
    body()
  }
  void stage(String name, Closure body) { body() }
  void parallel(Map branches) { branches.each { it.value() } }
  void timeout(Map options, Closure body) { body() }
  void sleep(Map options) { }
  void withEnv(List pairs, Closure body) {
    List before = environment
    environment = before + pairs
    try { body() } finally { environment = before }
  }
  void catchError(Map options, Closure body) {
    try { body() } catch (Exception e) {
      println "ERROR: ${e.message}"
      worsen(options.buildResult)
    }
  }
  def sh(Map options) {
    List pairs = ["PATH=${System.getenv('PATH')}", "WORKSPACE=${folder}", "WORKSPACE_TMP=${folder}@tmp", 'BUILD_NUMBER=3']
    File script = new File("${folder}@tmp", 'script.sh')
    script.text = options.script
    Process process = ['/bin/sh', script.path].execute((pairs + environment)*.toString(), folder)
    process.consumeProcessErrorStream(System.err)
    String output = process.inputStream.text
    int code = process.waitFor()
    if (!options.returnStdout) { print output }
    if (code != 0 && !options.returnStatus) { error("script returned exit code ${code}") }
    return options.returnStdout ? output : code
  }
  void deleteDir() { }
  void checkout(Map options) { println "checkout ${options.branches[0].name} depth ${options.extensions[0].depth}" }
  void stash(Map options) { stashed[options.name] = folder }
  void unstash(String name) { ['cp', '-r', "${stashed[name]}/.".toString(), folder.path].execute().waitFor() }
  void archiveArtifacts(Map options) { }
  void junit(Map options) { println "junit ${options.testResults}" }
  boolean fileExists(String path) { new File(folder, path).exists() }
  String readFile(String path) { new File(folder, path).text }
  void input(Map options) { println "asked ${options.id}" }
  void pipeline(Closure body) { new Sections(steps: this).run(body) }
}

// The declarative words: only the `script` blocks of stages are run, in order.
class Sections {
  Steps steps
  void run(Closure body) { body.delegate = this; body.resolveStrategy = Closure.DELEGATE_FIRST; body() }
  void agent(what) { }
  def getNone() { 'none' }
  def getAny() { 'any' }
  void options(Closure body) { }
  void stages(Closure body) { run(body) }
  void stage(String name, Closure body) { run(body) }
  void steps(Closure body) { run(body) }
  void script(Closure body) { body.delegate = steps; body.resolveStrategy = Closure.DELEGATE_FIRST; body() }
}

def (jenkinsfile, home, target) = args.toList()
def stubs = new org.codehaus.groovy.control.CompilationUnit(new CompilerConfiguration(targetDirectory: new File(target)))
stubs.addSource('NonCPS.groovy', 'package com.cloudbees.groovy.cps\n@interface NonCPS {}')
stubs.addSource('E.groovy', 'package org.jenkinsci.plugins.workflow.steps\nclass FlowInterruptedException extends InterruptedException {}')
stubs.compile()
def configuration = new CompilerConfiguration(classpathList: [target], scriptBaseClass: Steps.name)
configuration.addCompilationCustomizers(new ImportCustomizer().addImports('com.cloudbees.groovy.cps.NonCPS'))
Steps.home = new File(home)
def params = [COMMIT_SHA: 'c0ffee', REPO_URL: 'file:///nowhere', CI_COMMIT_BRANCH: 'main']
def loader = new GroovyClassLoader(this.class.classLoader, configuration)
loader.addClasspath(target)
new GroovyShell(loader, new Binding([params: params]), configuration).evaluate(new File(jenkinsfile))
println "result ${Steps.result}"
