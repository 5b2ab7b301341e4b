// Compiles the named Jenkinsfiles to bytecode, as far as that goes outside Jenkins: syntax, and the JVM's limits.
import org.codehaus.groovy.control.*
import org.codehaus.groovy.control.customizers.ImportCustomizer

def target = new File(args[0])
def stubs = new CompilationUnit(new CompilerConfiguration(targetDirectory: target))
stubs.addSource('NonCPS.groovy', 'package com.cloudbees.groovy.cps\n@interface NonCPS {}')
stubs.addSource('E.groovy', 'package org.jenkinsci.plugins.workflow.steps\nclass FlowInterruptedException extends InterruptedException {}')
stubs.compile()
for (name in args.tail()) {
  def configuration = new CompilerConfiguration(targetDirectory: target, classpathList: [target.path])
  configuration.addCompilationCustomizers(new ImportCustomizer().addImports('com.cloudbees.groovy.cps.NonCPS'))
  def unit = new CompilationUnit(configuration, null, new GroovyClassLoader(this.class.classLoader, configuration))
  unit.addSource(new File(name))
  unit.compile()
  println 'compiled ' + new File(name).name
}
