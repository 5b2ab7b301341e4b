// Compiles every FOLDER/*/Jenkinsfile, and runs those that have a case.json beside them: parameters, answers to inputs,
// credentials, and the PATH of the agent. Writes FOLDER/*/classes/*.class and FOLDER/*/result.json.
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.customizers.ImportCustomizer
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

Class compiled(File folder) {
  File target = new File(folder, 'classes')
  target.mkdirs()
  def configuration = new CompilerConfiguration(scriptBaseClass: Steps.name, targetDirectory: target)
  configuration.addCompilationCustomizers(new ImportCustomizer().addImports('com.cloudbees.groovy.cps.NonCPS'))
  def loader = new GroovyClassLoader(this.class.classLoader, configuration)
  return loader.parseClass(new File(folder, 'Jenkinsfile').getText('US-ASCII'), 'WorkflowScript.groovy')
}

Map ran(File folder, Class type) {
  Map given = new JsonSlurper().parse(new File(folder, 'case.json'))
  Build build = new Build(folder, given)
  Steps steps = type.newInstance()
  steps.setShimBuild(build)  // a plain assignment would go to the binding
  steps.binding = new Binding([params: given.parameters])
  build.baton.lock()
  try {
    steps.run()
  } catch (Exception e) {
    build.worsen(e instanceof FlowInterruptedException ? 'ABORTED' : 'FAILURE')
    build.log("ERROR: ${e}\n  ${e.stackTrace.findAll { it.fileName?.endsWith('.groovy') }.join('\n  ')}")
  } finally {
    build.baton.unlock()
  }
  return [result: build.result, console: build.console.toString(), description: build.description]
}

Map result(File folder) {
  try {
    Class type = compiled(folder)
    return new File(folder, 'case.json').exists() ? ran(folder, type) : [result: 'COMPILED']
  } catch (Throwable e) {
    return [result: 'ERROR', console: e.toString()]
  }
}

List<Thread> threads = new File(args[0]).listFiles().findAll { it.directory }.sort().collate(args[1] as int).collect { List folders ->
  Thread.start {
    for (folder in folders) {
      new File(folder, 'result.json').text = JsonOutput.toJson(result(folder))
    }
  }
}
threads*.join()
